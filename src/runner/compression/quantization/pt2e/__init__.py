"""PyTorch 2 Export quantization on torchao: capture, prepare, calibrate or fine-tune, convert, lower, verify."""
