"""Tables: read, typed column by column, checked and parted. `mindle.data` has what other rooms need."""
