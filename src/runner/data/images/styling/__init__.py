"""Two pictures: what is shown, and in whose style."""
