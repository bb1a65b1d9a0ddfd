"""A bundle answers; nothing here needs torch."""
