"""Tasks that say where something is: in boxes, or pixel by pixel."""
