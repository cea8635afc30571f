"""Compose a configuration, train, test and compress what it names, and record what came of it."""
