"""Weights stored in few bits, products in float or in integers: packing, layers, rounding and files."""
