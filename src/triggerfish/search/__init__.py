"""Optimisation over images: a batch of rows in, images and their measured sizes out."""
