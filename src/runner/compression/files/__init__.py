"""File formats of networks: how each is written, checked and loaded again."""
