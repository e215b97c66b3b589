"""State dicts and the networks that they fill."""
