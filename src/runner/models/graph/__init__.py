"""Networks over graphs: convolutions, pooling, readouts, and whole stacks."""
