"""The tables of benchmarks/results/checks.json: a condition a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.common import recorded
from benchmarks.conditions import CONDITIONS
from benchmarks.markdown import markdown, rate

OUTCOMES = ("right", "inconclusive", "doubted", "wrong")


def checks(data: str) -> str:
    """What is noticed on one data set's models, and the outcomes of whole scans."""
    zoos = [zoo for _, zoo in _under(data)]
    clean = [zoo for zoo in zoos if not zoo["attacked"]]
    attacked = [zoo for zoo in zoos if zoo["attacked"]]
    rows = [
        (
            name,
            *_noticed([zoo["conditions"][name] for zoo in zoos]),
            _outcomes(clean, name),
            _outcomes(attacked, name),
        )
        for name in CONDITIONS
    ]
    header = ("condition", "noticed before the search", "as", "clean: scans", "attacked: scans")
    return markdown(header, rows)


def untrained() -> str:
    """Freshly initialised networks."""
    rows = [(name, *_noticed([tally])) for name, tally in _under("untrained")]
    return markdown(("untrained network", "noticed", "as"), rows)


def _under(group: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and results of the lines that begin with ``group/``."""
    for key, result in recorded("checks").items():
        if key.startswith(f"{group}/"):
            yield key.removeprefix(f"{group}/"), result


def _noticed(tallies: list[dict[str, Any]]) -> tuple[str, str]:
    noticed, models = (sum(t.get(key, 0) for t in tallies) for key in ("noticed", "models"))
    return rate(noticed, models), _codes(tallies)


def _codes(tallies: list[dict[str, Any]]) -> str:
    codes = sum((Counter(tally.get("codes", {})) for tally in tallies), Counter[str]())
    return ", ".join(f"`{code}`" for code in sorted(codes)) or "-"


def _outcomes(zoos: list[dict[str, Any]], name: str) -> str:
    """Counts of `checks.outcome`, in the order of `OUTCOMES`."""
    found = [zoo["conditions"][name].get("outcomes", {}) for zoo in zoos]
    counts = sum(map(Counter, found), Counter[str]())
    return " / ".join(str(counts[outcome]) for outcome in OUTCOMES)
