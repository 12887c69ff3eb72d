"""Worker processes: the warm template they are forked from, and what one does with the tasks it is given."""
