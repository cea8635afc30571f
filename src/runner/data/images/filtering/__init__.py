"""Filtering: images and what a filter makes of them."""
