"""Tracking services: each is kept up to date with a run directory, which holds everything by itself."""
