"""Generated pictures of circles, squares and triangles: what detectors and segmenters learn on without a download."""
