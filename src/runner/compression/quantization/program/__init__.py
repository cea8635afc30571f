"""From a prepared graph to an int8 program: calibration, training, conversion, lowering, and its proof."""
