"""Captured graphs: capture, operators, train and eval mode, interpretation and simulation."""
