"""Make a trained network smaller and faster: quantization, pruning, distillation."""
