"""Networks that a file carries as a graph or a list of layers, built from our own operators."""
