"""Sweeps: the plan of jobs, their execution, searches and goals, and the record on disk."""
