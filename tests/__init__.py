"""Tests that mirror src/runner/, with benchmarks/ and golden/ beside them."""
