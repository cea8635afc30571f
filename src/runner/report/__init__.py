"""Reports and comparisons of finished runs, read from their directories without torch."""
