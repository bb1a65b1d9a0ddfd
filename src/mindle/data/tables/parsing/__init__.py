"""From the text of a table to typed cells."""
