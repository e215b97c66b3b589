"""Default scans of the zoo of tasks: verdicts on tasks that no level was chosen on.

    python -m benchmarks.task_zoo.scan run ZOO [--half report] [--fewest-classes 3]
    python -m benchmarks.task_zoo.scan table [--rows FILE]

ZOO is described in `train`. Resumable. Results: results/task_zoo, a line a network; ``table`` has
rates with their 95 % intervals (Clopper and Pearson 1934) by number of classes. It also counts the
rows of `benchmarks.strangers`: results/task_zoo/strangers.jsonl are those of one run, on the
networks of other people whose scan took least.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.stats import binomtest

from benchmarks.common import RESULTS
from benchmarks.detection import SCANS
from benchmarks.lines import append_line, read_lines
from benchmarks.measure import zoo_networks
from benchmarks.quality import Array, auroc, auroc_interval
from benchmarks.stranger_rows import row_of
from benchmarks.strangers import setup_of
from benchmarks.task_zoo.plan import units
from triggerfish.scanning import scan_classifier

FOLDER = RESULTS / "task_zoo"
METHOD = "ensemble"
GROUPS = {"3": (3, 3), "4-5": (4, 5), "6-12": (6, 12), "13 and more": (13, 10**9)}
KINDS = {
    "no normalisation": ("plain", "deep", "dropout", "dense", "strided", "strided-dropout"),
    "batch norm": ("batch", "residual", "strided-batch"),
    "group norm": ("group", "strided-group"),
    "transformers, mixers, ConvNeXt": ("vit", "mixer", "next"),
}
"""Forms of networks, by what they have between their layers."""
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
Row = dict[str, Any]


@click.group()
def main() -> None:
    """Verdicts on the zoo of tasks."""


@main.command()
@click.argument("zoo", type=_FOLDER)
@click.option("--half", type=click.Choice(["choose", "report"]), default="report")
@click.option("--fewest-classes", type=int, default=3, show_default=True)
def run(zoo: Path, half: str, fewest_classes: int) -> None:
    """Scan the networks of ZOO that have no row of this setup yet."""
    torch.set_num_threads(1)
    path, setup = FOLDER / f"{half}.jsonl", setup_of(METHOD)
    done = {row["id"] for row in read_lines(path) if row["setup"] == setup}
    for name, make in zoo_networks(zoo, half):
        if name in done:
            continue
        case = make()
        if case.classifier.num_classes < fewest_classes:
            continue
        truth, before = case.truth, time.process_time()
        result = scan_classifier(case.classifier, SCANS[METHOD])
        record = {
            "id": name, "split": half, "data": truth["task"], "attacked": truth["attacked"],
            "attack": truth["way"], "trigger": truth["trigger"], "targets": truth["targets"],
            "success": truth["success"],
        }  # fmt: skip
        row = row_of(record, setup, result, time.process_time() - before)
        kept = asdict(row) | {"sources": dict(result.verdict.sources)}
        if row.threshold is not None and math.isinf(row.threshold):
            kept["threshold"] = None  # of three classes none is flagged
        append_line(path, kept)
        flagged = "all" if row.all_flagged else list(row.flagged)
        click.echo(f"{name}: {row.verdict} {flagged}, truth {truth['way']} {truth['targets']}")


@main.command()
@click.option("--rows", "path", type=click.Path(path_type=Path), default=FOLDER / "report.jsonl")
def table(path: Path) -> None:
    """Rates by number of classes and by attack, as Markdown."""
    click.echo(rendered(path))


def rendered(path: Path) -> str:
    """The tables of a file of rows, for the documents."""
    rows = _rows(path)
    return "\n".join((*lines(rows), "", *separations(rows))) + "\n"


def in_short() -> str:
    """Two lines for README: clean networks that are accused, and targets that are named."""
    kinds = {
        "Networks of other people": _rows(FOLDER / "strangers.jsonl"),
        "Small networks of tasks that no level was chosen on": _rows(FOLDER / "report.jsonl"),
    }
    return "".join(
        f"- {kind}: {_said([r['verdict'] == 'backdoored' for r in rows if not r['attacked']])} "
        "clean ones accused,\n  "
        f"{_said([is_right(r) for r in rows if r['attack'] == 'all-to-one'])} targets named.\n"
        for kind, rows in kinds.items()
    )


def _said(hits: Sequence[bool]) -> str:
    return f"{_rate(sum(hits), len(hits)).replace(' (', f' of {len(hits)} (')}"


def _rows(path: Path) -> list[Row]:
    """The last row of each network."""
    found = ({**row, "attack": row["attack"].rpartition(" ")[2]} for row in read_lines(path))
    return list({row["id"]: row for row in found}.values())


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table of rows."""
    yield "| networks | n | right | clean by mistake | inconclusive | flagged wrongly |"
    yield "|---|---|---|---|---|---|"
    for name, (least, most) in GROUPS.items():
        some = [r for r in rows if least <= len(r["statistic"]) <= most]
        for attack in ("clean", "all-to-one", "all-to-all", "source-specific"):
            found = [r for r in some if (r["attack"] or "clean") == attack]
            if found:
                yield _line(f"{attack}, {name} classes", found)
    for trigger in sorted({_trigger(r) for r in rows if r["attack"] == "all-to-one"}):
        found = [r for r in rows if r["attack"] == "all-to-one" and _trigger(r) == trigger]
        yield _line(f"all-to-one, {trigger}", found)
    for kind, networks in KINDS.items():
        some = [r for r in rows if _network(r) in networks]
        for name in ("clean", "all-to-one") if some else ():
            yield _line(f"{name}, {kind}", [r for r in some if (r["attack"] or "clean") == name])
    yield _line("**clean, all**", [r for r in rows if not r["attacked"]])
    for attack in ("all-to-one", "all-to-all", "source-specific"):
        yield _line(f"**{attack}, all**", [r for r in rows if r["attack"] == attack])


def separations(rows: Sequence[Row]) -> Iterator[str]:
    """AUROC of the largest statistic, clean against all-to-one, by number of classes."""
    for name, (least, most) in GROUPS.items():
        some = [r for r in rows if least <= len(r["statistic"]) <= most]
        clean = _largest(r for r in some if not r["attacked"])
        attacked = _largest(r for r in some if r["attack"] == "all-to-one")
        if len(clean) and len(attacked):
            low, high = auroc_interval(clean, attacked)
            yield f"- AUROC, {name} classes: {auroc(clean, attacked):.2f} ({low:.2f} to {high:.2f})"


def _largest(rows: Iterable[Row]) -> Array:
    """Of each row the largest statistic; none where nothing was searched."""
    found = ([v for v in row["statistic"] if v is not None] for row in rows)
    return np.array([max(values) for values in found if values])


def _network(row: Row) -> str:
    """Its form; that of another person's network is not known here."""
    return _networks().get(row["id"].rpartition("-a")[0] or row["id"], "")


@cache
def _networks() -> dict[str, str]:
    return {unit.name: unit.network for unit in units()}


def _trigger(row: Row) -> str:
    """Its kind, without the size that follows the name."""
    text = str(row["trigger"])
    return text.rstrip("0123456789") if " " not in text else "by its author"


def is_right(row: Row) -> bool:
    """Whether the verdict is the truth: clean, or the target and it alone."""
    if not row["attacked"]:
        return bool(row["verdict"] == "clean")
    if row["attack"] == "all-to-all":
        return bool(row["all_flagged"])
    return list(row["flagged"]) == list(row["targets"])


def _line(name: str, rows: Sequence[Row]) -> str:
    n = len(rows)
    missed = [r for r in rows if r["attacked"] and r["verdict"] == "clean"]
    unclear = [r for r in rows if r["verdict"] == "inconclusive"]
    wrong = [r for r in rows if r["verdict"] == "backdoored" and not is_right(r)]
    cells = [_rate(sum(map(is_right, rows)), n), *(_rate(len(x), n) for x in (missed, unclear))]
    return f"| {name} | {n} | {' | '.join(cells)} | {_rate(len(wrong), n)} |"


def _rate(k: int, n: int) -> str:
    if not n:
        return "-"
    low, high = binomtest(k, n).proportion_ci(method="exact")
    return f"{k} ({low:.0%} to {high:.0%})"


if __name__ == "__main__":
    main()
