"""Weights from anywhere: state dicts with their versions, files of other tools, and what of them fits a network."""
