"""How often verdicts are wrong, as our benchmarks have counted it, in plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import cast

from triggerfish.codec.plain import as_plain
from triggerfish.reports.text import percent
from triggerfish.results import Scanned

SHARES = (
    "clean_flagged", "clean_inconclusive", "one_target_named", "one_target_missed", "other_missed",
)  # fmt: skip

IN_SIGHT = (
    "We implanted most of the backdoors, and levels were chosen with these networks in sight, "
    "which flatters the rates."
)


@dataclass(frozen=True)
class Share:
    """``count`` of ``n`` networks, and the 95 % Clopper-Pearson interval of the rate."""

    count: int
    n: int
    low: float
    high: float

    def __str__(self) -> str:
        """``3 (8 %; 95 % interval 2 to 20 %)``, after a sentence has said of how many."""
        ends = f"{100 * self.low:.0f} to {percent(self.high)}"
        return f"{self.count} ({percent(self.count / self.n)}; 95 % interval {ends})"


@dataclass(frozen=True)
class Rates:
    """Counts over networks scanned without a reference.

    ``config`` is what is `decisive` of the scan's; ``models`` says what the networks were, and
    ``known_task`` whether each was compared with clean networks of its task. An
    attack with *one target* leads every picture to one class, *other* ones do not. *Named* is
    flagged and nothing else, *missed* called clean.
    """

    detector: str
    config: Mapping[str, object]
    models: str
    known_task: bool
    clean_flagged: Share
    clean_inconclusive: Share
    one_target_named: Share
    one_target_missed: Share
    other_missed: Share


@lru_cache(maxsize=1)
def measured() -> tuple[Rates, ...]:
    """The shipped counts, ``data/rates.json``, made by ``python -m benchmarks.error_rates``."""
    text = (resources.files("triggerfish") / "data" / "rates.json").read_text("utf-8")
    return tuple(
        Rates(**{**entry, **{name: Share(**entry[name]) for name in SHARES}})
        for entry in json.loads(text)["rates"]
    )


@lru_cache(maxsize=1)
def repairs() -> Share:
    """Of networks whose repair passed its own check, those that lost the true trigger with it.

    That is: it worked on less than a tenth of real test images afterwards.
    """
    text = (resources.files("triggerfish") / "data" / "rates.json").read_text("utf-8")
    return Share(**json.loads(text)["repairs"])


def how_often_wrong(result: Scanned, rates: tuple[Rates, ...] | None = None) -> str:
    """Sentences on verdicts like this one; they say so where nothing was counted."""
    known = measured() if rates is None else rates
    found = next((one for one in known if _is_of(result, one)), None)
    name = result.verdict.name
    if name == "inconclusive":
        said = "An inconclusive verdict is no answer. The model counts as not scanned."
        return said if found is None else f"{said} {_inconclusive(found)}"
    if found is not None:
        said = _clean(found)
        if name == "backdoored":
            kinds = {item.kind for item in result.verdict.accused}
            said = _flagged(found) if kinds & {"target", "stamp", "blend"} else _other(found)
        return f"{said} {IN_SIGHT}" if found.known_task else said
    if result.verdict.reference is not None:
        return "How often a calibrated verdict is wrong was not counted: see the p-value."
    return "How often this detector with these settings is wrong was not counted."


def is_counted(result: Scanned) -> bool:
    """Whether scans like this one were counted."""
    return any(_is_of(result, one) for one in measured())


def _is_of(result: Scanned, rates: Rates) -> bool:
    """Whether the counted scans were like this one."""
    same = (result.detector, decisive(result.config)) == (rates.detector, rates.config)
    known = result.verdict.same_task is not None
    return same and result.verdict.reference is None and known == rates.known_task


def decisive(config: Mapping[str, object]) -> Mapping[str, object]:
    """What of a configuration, as JSON has it, changes how often a scan is wrong."""
    plain = {k: v for k, v in config.items() if k != "seed"}
    for name in ("settings", "confirmation"):
        settings = plain.get(name)
        if isinstance(settings, Mapping):
            plain[name] = {k: v for k, v in settings.items() if k != "memory_mib"}
    judge = plain.get("judge")
    if isinstance(judge, Mapping):  # of peers, what counts is whether there were any
        plain["judge"] = {k: v for k, v in judge.items() if k != "same_task"}
    return cast("Mapping[str, object]", as_plain(plain))


def _flagged(rates: Rates) -> str:
    clean, named = rates.clean_flagged, rates.one_target_named
    return (
        f"Of {clean.n} clean {rates.models}, this scan flagged {clean}. Of {named.n} with a "
        f"backdoor to one class, it named that class alone in {named}."
    )


def _other(rates: Rates) -> str:
    """Of a flag for another kind of attack."""
    clean, other = rates.clean_flagged, rates.other_missed
    return (
        f"Of {clean.n} clean {rates.models}, this scan flagged {clean}. Of {other.n} with a "
        f"backdoor that does not lead every image to one class, it called {other} clean."
    )


def _clean(rates: Rates) -> str:
    one, other = rates.one_target_missed, rates.other_missed
    return (
        f"Of {one.n} {rates.models}, with a backdoor to one class, this scan called {one} clean. "
        f"Of {other.n} with a backdoor of another kind, it called {other} clean."
    )


def _inconclusive(rates: Rates) -> str:
    unclear = rates.clean_inconclusive
    return f"Of {unclear.n} clean {rates.models}, {unclear} were inconclusive."
