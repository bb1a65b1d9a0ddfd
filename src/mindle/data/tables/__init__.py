"""Tables: read, typed column by column, checked and split. `mindle.data` has what other rooms need."""
