"""Files that hold tables: their text, how it is written, and its columns as Arrow reads them."""
