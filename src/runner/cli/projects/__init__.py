"""Projects of one's own: what `python -m runner new` looks at and writes."""
