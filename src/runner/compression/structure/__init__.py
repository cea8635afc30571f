"""Changes to the shape of a network, as a checkpoint keeps them."""
