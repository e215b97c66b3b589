"""Numbers in, numbers out: outlier tests and median polish. Imports nothing of ours."""
