"""PyTorch 2 Export quantization on torchao, from capture to proof."""
