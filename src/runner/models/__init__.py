"""Networks as plain modules of torch: no Lightning, no Hydra, usable on their own."""
