"""Commands on what runs left behind, one file each."""
