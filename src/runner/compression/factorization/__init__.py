"""Factorization: one layer becomes two with fewer parameters between them."""
