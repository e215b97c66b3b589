"""Which row of the evidence decided, where reports look for it; results know it themselves."""

from triggerfish.results.deciding import (
    accuses,
    deciding_rows,
    excess,
    index_and_threshold,
    strongest_row,
)

__all__ = ["accuses", "deciding_rows", "excess", "index_and_threshold", "strongest_row"]
