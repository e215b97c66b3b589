"""Measurements: longer than tests, run by hand, never imported by the package."""
