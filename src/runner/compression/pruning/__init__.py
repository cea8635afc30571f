"""Pruning: weights set to zero, or whole channels taken out, by how little they matter."""
