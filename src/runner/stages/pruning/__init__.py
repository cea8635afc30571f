"""Pruning within a run: what a round looks at, what it makes and keeps, and the record of all rounds."""
