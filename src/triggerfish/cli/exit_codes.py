"""Exit codes, so that a script can act on a scan without reading its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # reports import PyTorch, the command line's --help must not
    from triggerfish.reports.summary import Summary

CLEAN = 0
FLAGGED = 1
USAGE = 2  # also: nothing could be scanned
INCONCLUSIVE = 3  # also: some of the files were skipped
DANGEROUS = 4
INTERRUPTED = 130  # as shells report SIGINT
PIPE_CLOSED = 141  # as shells report SIGPIPE: whoever read the output has read enough


FAIL_ON = ("flagged", "inconclusive", "skipped")
"""What a gate stops at: each includes those before it. The last is the default."""


def exit_code(summary: Summary, fail_on: str = FAIL_ON[-1]) -> int:
    """What a scan exits with. A flagged model outweighs whatever else happened.

    A scan of nothing is a failure whatever the gate: it must not let everything pass.
    """
    severity = FAIL_ON.index(fail_on)
    if summary.flagged:
        return FLAGGED
    if summary.dangerous:
        return DANGEROUS
    if not summary.scanned:
        return USAGE
    if severity >= 1 and summary.inconclusive:
        return INCONCLUSIVE
    return INCONCLUSIVE if severity >= 2 and summary.skipped else CLEAN
