"""Trainings within stages: what guides them, and those that follow the first."""
