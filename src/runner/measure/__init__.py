"""Latency, memory, operations and errors of networks: plain functions, no state."""
