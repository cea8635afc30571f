"""A run as a folder that serves by itself: model, plain values, the code it needs, and what to know of it."""
