"""Networks that say where something is: they answer for every pixel or every cell of a grid."""
