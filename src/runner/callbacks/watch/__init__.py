"""Watching a training: what a person would notice in its curves and activations, found without slowing it down."""
