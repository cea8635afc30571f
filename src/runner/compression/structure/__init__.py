"""Changes of a network's shape, made again from the plain settings that a checkpoint keeps."""
