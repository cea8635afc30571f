"""Latency, memory, operations and errors of networks, and the nested tensors that go in and out: plain functions."""
