"""Before and after a repair, in one table."""

from __future__ import annotations

from triggerfish.repairs.repair import CHECK_PICTURES, Repaired
from triggerfish.reports.table import beside_threshold
from triggerfish.reports.text import percent, printable
from triggerfish.reports.words import targets
from triggerfish.results import Scanned

LINE = "{:<37}  {:>22}  {:>22}\n"


def repair_table(outcome: Repaired, own_pictures: int | None) -> str:
    """The table; ``own_pictures`` is how many of the user's there were, None without."""
    rows = [("", "before", "after"), *repair_rows(outcome, own_pictures)]
    title = f"{printable(outcome.before.path)}, by {outcome.method}:\n"
    return title + "".join(f"{LINE.format(*row).rstrip()}\n" for row in rows)


def repair_rows(outcome: Repaired, own_pictures: int | None) -> list[tuple[str, str, str]]:
    """What, before, after."""
    before, after = outcome.before, outcome.after
    rows = [
        ("verdict", _verdict(before), _verdict(after)),
        ("anomaly index / threshold", beside_threshold(before), beside_threshold(after)),
        ("images that the patterns found flip", _share(outcome.success_before),
         _share(outcome.success_after)),
        (f"same answers to {CHECK_PICTURES} synthetic images", "", _share(outcome.agreement)),
    ]  # fmt: skip
    if outcome.agreement_on_images is not None:
        same = _share(outcome.agreement_on_images)
        rows.append((f"same answers to your {own_pictures} images", "", same))
    return rows


def _verdict(scanned: Scanned) -> str:
    if scanned.verdict.name == "clean":
        return "nothing found"
    named = targets(scanned)
    return f"{scanned.verdict.name}, {named}" if named else scanned.verdict.name


def _share(value: float) -> str:
    return percent(value) or "not measured"
