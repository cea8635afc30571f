"""The record of a run: its directory, result, identity, environment, loggers, checkpoints, signals."""
