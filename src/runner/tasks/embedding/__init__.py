"""Embeddings: losses of pairs and triplets, and measures on classes that training never saw."""
