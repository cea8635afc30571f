"""The arithmetic of linear quantization: codes = round(x / scale) + zero point, in every layout and width."""
