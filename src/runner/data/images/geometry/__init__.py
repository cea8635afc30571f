"""Random geometry of a batch: maps that move images, boxes and masks alike."""
