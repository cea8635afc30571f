"""Pictures in which each object has its own pixels."""
