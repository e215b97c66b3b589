"""Scores, reference and checks -> `Verdict`."""
