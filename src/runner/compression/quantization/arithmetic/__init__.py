"""Linear quantization by hand: grids, scales and zero points, granularity, rounding."""
