"""Trained weights of the libraries: their files, and the images that they expect."""
