"""Samplers that cut a large graph into batches."""
