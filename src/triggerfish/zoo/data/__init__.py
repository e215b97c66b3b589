"""Data sets that zoos are trained on, read from their original files."""
