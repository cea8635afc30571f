"""Weights that share a few values by layer (Han et al., 2016), and their entropy-coded file."""
