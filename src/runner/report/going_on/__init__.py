"""What follows from runs that ended: the page of each, all of them as a table, and which are of no use any more."""
