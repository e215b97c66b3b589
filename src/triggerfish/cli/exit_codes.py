"""Exit codes, so that a script can act on a scan without reading its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # reports import PyTorch, the command line's --help must not
    from triggerfish.reports.summary import Summary

CLEAN = 0
FLAGGED = 1
USAGE = 2  # also: nothing could be scanned
INCONCLUSIVE = 3  # also: some of the files were skipped
INTERRUPTED = 130  # as shells report SIGINT


def exit_code(summary: Summary) -> int:
    """What a scan exits with. A flagged model outweighs whatever else happened."""
    if summary.flagged:
        return FLAGGED
    if not summary.scanned:
        return USAGE
    return INCONCLUSIVE if summary.inconclusive or summary.skipped else CLEAN
