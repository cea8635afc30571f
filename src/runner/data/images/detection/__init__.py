"""Detection: images with boxes around their objects."""
