"""Figures by matplotlib: curves, confusion matrices, graphs."""
