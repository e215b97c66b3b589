"""The tables of benchmarks/results/checks.json: a condition a row."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.common import recorded
from benchmarks.conditions import CONDITIONS
from benchmarks.markdown import markdown, rate

OUTCOMES = ("right", "inconclusive", "doubted", "wrong")


def checks(data: str) -> str:
    """What is noticed on one data set's models, and the outcomes of whole scans."""
    zoos = list(recorded("checks").get(data, {}).values())
    clean = [zoo for zoo in zoos if not zoo["attacked"]]
    attacked = [zoo for zoo in zoos if zoo["attacked"]]
    rows = [
        (name, *_noticed(zoos, name), _outcomes(clean, name), _outcomes(attacked, name))
        for name in CONDITIONS
    ]
    header = ("condition", "noticed before the search", "as", "clean: scans", "attacked: scans")
    return markdown(header, rows)


def untrained() -> str:
    """Freshly initialised networks."""
    networks = recorded("checks").get("untrained", {})
    rows = [
        (name, rate(tally["noticed"], tally["models"]), _codes([tally]))
        for name, tally in networks.items()
    ]
    return markdown(("untrained network", "noticed", "as"), rows)


def _noticed(zoos: list[dict[str, Any]], name: str) -> tuple[str, str]:
    tallies = [zoo["conditions"][name] for zoo in zoos]
    noticed, models = (sum(tally[key] for tally in tallies) for key in ("noticed", "models"))
    return rate(noticed, models), _codes(tallies)


def _codes(tallies: list[dict[str, Any]]) -> str:
    codes = sum((Counter(tally["codes"]) for tally in tallies), Counter[str]())
    return ", ".join(f"`{code}`" for code in sorted(codes)) or "-"


def _outcomes(zoos: list[dict[str, Any]], name: str) -> str:
    """Counts of `checks.outcome`, in the order of `OUTCOMES`."""
    counts = sum((Counter(zoo["conditions"][name]["outcomes"]) for zoo in zoos), Counter[str]())
    return " / ".join(str(counts[outcome]) for outcome in OUTCOMES)
