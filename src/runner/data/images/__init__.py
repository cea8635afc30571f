"""Image data sets, decoding, and augmentation of whole batches."""
