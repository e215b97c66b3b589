"""One file per format: how it is recognized and read."""
