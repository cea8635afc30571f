"""Weights in few bits or other number formats: rounding, sharing, packing, and layers that compute with them."""
