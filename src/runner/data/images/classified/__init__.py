"""Images of one class each that are published or made."""
