"""What is known about clean models, and which of it holds for the one that is scanned."""
