"""Changes to a float network before or while it is quantized: equalization, smoothing, AdaRound, bias correction."""
