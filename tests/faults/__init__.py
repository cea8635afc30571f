"""Runs that are killed at a chosen operation on their files, gone on with, and compared with one that went through."""
