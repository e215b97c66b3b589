"""Exit codes, so that a script can act on a scan without reading its output."""

CLEAN = 0
FLAGGED = 1
USAGE = 2  # also: nothing could be scanned
INCONCLUSIVE = 3  # also: some of the files were skipped
INTERRUPTED = 130  # as shells report SIGINT
