"""Images divided by their classes: those of validation and test are never trained."""
