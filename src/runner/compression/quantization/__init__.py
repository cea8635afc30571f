"""Quantization: PyTorch 2 Export programs in int8, and the arithmetic beneath them."""
