"""Serving: answers over HTTP from an exported file, in worker processes of their own; needs no torch."""
