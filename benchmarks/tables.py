"""Writes the measured tables into the docs.

    python -m benchmarks.tables [--check]

A table stands in a document between ``<!-- table NAME -->`` and ``<!-- end -->``; its rows come
from benchmarks/results and from nowhere else. ``--check`` only says whether they are current.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import (
    checks_table,
    detection_tables,
    packages,
    peers,
    photographs,
    pictures_table,
    recognition,
    repair_table,
    stranger_tables,
    time_left,
    ways_out,
    zoo_summary,
)
from benchmarks import (
    side_by_side as two_builds,
)
from benchmarks.common import RESULTS, recorded
from benchmarks.markdown import markdown, rate, rate_of
from benchmarks.task_zoo import scan as task_scans
from triggerfish.detectors.min_norm import MinNorm

_ROOT = Path(__file__).parent.parent
DOCUMENTS = (_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md")))
MARK = re.compile(r"(<!-- table (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def reproduction() -> str:
    """Published criterion, folder by folder and objective by objective."""
    rows = []
    for path in sorted(RESULTS.glob("master_summary_*.csv")):
        with path.open(newline="") as file:
            models = list(csv.DictReader(file))
        for folder in dict.fromkeys(model["folder"] for model in models):
            of_folder = [model for model in models if model["folder"] == folder]
            correct = sum(model["status"] == "correct" for model in of_folder)
            named = sum(
                model["expected_backdoor_label"] in model["detected_labels_mad"].split(";")
                for model in of_folder
                if model["expected_backdoor_label"]
            )
            target = "-" if folder == "clean" else rate(named, len(of_folder))
            objective = path.stem.removeprefix("master_summary_")
            rows.append((objective, folder, rate(correct, len(of_folder)), target))
    return markdown(
        ("objective", "folder", "correct by the published criterion", "target among the flags"),
        rows,
    )


def side_by_side() -> str:
    """Every method on the same models, one core."""
    data = recorded("speed").get("side-by-side", {})
    rows = [
        (name, f"{d['seconds']:.2f}", f"{d['times_faster']:.1f}", d["models"])
        for name, d in sorted(data.items(), key=lambda item: -item[1]["seconds"])
    ]
    return markdown(("method", "seconds a model", "times faster", "models"), rows)


def throughput() -> str:
    """Processes against threads."""
    rows = [
        (
            d["processes"],
            d["threads"],
            "yes" if d["one_core_taken"] else "no",
            f"{60 / d['seconds_per_model']:.1f}",
            d["models"],
        )
        for d in recorded("speed").get("throughput", [])
    ]
    header = ("processes", "threads each", "one core taken", "models a minute", "models")
    return markdown(header, rows)


def ways() -> str:
    """One process, a pool, Ray and shards on the same small models."""
    rows = [
        (
            d["way"],
            d["workers"],
            d["models"],
            f"{d['first']:.1f}",
            f"{d['total']:.1f}",
            f"{d['per_model']:.3f}",
            "yes" if d["same_results"] else "no",
        )
        for d in recorded("throughput").get("ways", [])
    ]
    header = (
        "way", "workers", "models", "first row after, s", "all after, s",
        "a worker's time a model, s", "same results",
    )  # fmt: skip
    return markdown(header, rows)


def peak() -> str:
    """Fraction of the matrix-product rate."""
    data = recorded("speed").get("peak")
    if not data:
        return ""
    gflops = data["gflops"]
    rows = [
        ("matrix product, 1536 x 1536", f"{gflops['product']:.1f}", "1"),
        ("gradient step, 40 rows", f"{gflops['step']:.1f}", f"{data['step_fraction']:.2f}"),
        ("whole min-norm scan", f"{gflops['scan']:.1f}", f"{data['scan_fraction']:.2f}"),
    ]
    return markdown(("what, on one core", "GFLOP/s", "of the product"), rows)


def input_gradient() -> str:
    """Two gradients of first convolutions."""
    rows = [
        (
            d["layer"],
            f"{d['library_ms']:.1f}",
            f"{d['ours_ms']:.1f}",
            f"{d['library_ms'] / d['ours_ms']:.1f}",
        )
        for d in recorded("speed").get("input-gradient", [])
    ]
    header = ("first convolution, 80 images", "library, ms", "ours, ms", "times faster")
    return markdown(header, rows)


def compiled() -> str:
    """torch.compile against eager mode."""
    data = recorded("speed").get("compiled")
    if not data:
        return ""
    eager, fast, first = (data[k] for k in ("eager_step", "compiled_step", "first_seconds"))
    config = MinNorm()
    gain = (eager - fast) * (config.schedule.steps + 1)
    pays = f"{first / gain:.0f} models" if gain > 0 else "never"
    return markdown(
        ("step, eager", "step, compiled", "first compiled step", "pays for itself after"),
        [(f"{1e3 * eager:.1f} ms", f"{1e3 * fast:.1f} ms", f"{first:.1f} s", pays)],
    )


def models() -> str:
    """Many files in two processes."""
    rows = [
        (d["models"], f"{d['seconds']:.1f}", f"{60 * d['models'] / d['seconds']:.1f}")
        for d in recorded("speed").get("models", [])
    ]
    return markdown(("models", "seconds", "models a minute"), rows)


def growth() -> str:
    """Time and memory by size."""
    rows = []
    for name, series in recorded("speed").get("growth", {}).items():
        for point in series["points"]:
            rows.append(
                (
                    name,
                    point["size"],
                    f"{point['seconds']:.2f}",
                    f"{point['peak_mib']:.0f}",
                    f"{series['exponent']:.2f}",
                )
            )
    for name, point in recorded("speed").get("big", {}).items():
        rows.append((name, "", f"{point['seconds']:.1f}", f"{point['peak_mib']:.0f}", ""))
    return markdown(("series", "size", "seconds", "peak MiB", "exponent of time"), rows)


def scan_growth() -> str:
    """Default scans by size, with the arithmetic behind them."""
    rows = [
        (
            series,
            f"{point['network']}, {point['classes']:,} classes, side {point['side']}"
            if series == "network"
            else size,
            f"{point['parameters']:,}",
            f"{point['seconds']:.1f}",
            f"{point['floor']:.1f}",
            f"{point['fraction']:.0%}",
            f"{point['peak_mib']:.0f}",
        )
        for series, points in recorded("growth").items()
        if series != "machine"
        for size, point in sorted(points.items(), key=lambda pair: int(pair[0]))
    ]
    header = ("series", "size", "parameters", "CPU seconds", "at the core's rate", "of it", "MiB")
    return markdown(header, rows)


def memory() -> str:
    """The peak of whole commands, against its bound."""
    found = recorded("memory")
    rows = [
        (
            name,
            f"{point['seconds']:.0f}",
            *(f"{point[part]:.0f}" for part in ("weights_mib", "peak_mib", "bound_mib")),
        )
        for name, point in found.get("command", {}).items()
    ]
    if "imports_mib" in found:
        rows.insert(0, ("the imports alone", "", "", f"{found['imports_mib']:.0f}", ""))
    return markdown(("scan of", "CPU seconds", "weights, MiB", "peak, MiB", "bound, MiB"), rows)


def verdicts() -> str:
    """Agreement of the fast published detector with the published loop, network by network."""
    models = list(recorded("verdicts").get("models", {}).values())
    networks = sorted({row["network"] for row in models})
    rows = []
    for name in [*networks, "all"] if models else []:
        of_network = [row for row in models if name in (row["network"], "all")]
        equal = sum(map(_equal, of_network))
        exact = sum(_equal(row.get("float64", row)) for row in of_network)
        count = len(of_network)
        rows.append((name, rate(equal, count), rate(exact, count)))
    header = ("network", "equal in float32", "equal, those in float64")
    return markdown(header, rows)


def _equal(row: dict[str, Any]) -> bool:
    return bool(row["loop_flagged"] == row["batch_flagged"])


def optimiser() -> str:
    """Excess norms and separation."""
    data = recorded("optimiser")
    rows = [
        (
            name,
            f"{d['mean_excess']:.3f}",
            f"{d['excess_95']:.3f}",
            f"{d['not_reached']:.3f}",
            f"{d['largest_clean']:.2f}",
            f"{d['smallest_attacked']:.2f}",
            f"{d['seconds_per_model']:.2f}",
        )
        for name, d in data.get("methods", {}).items()
    ]
    header = (
        "method", "mean excess", "95 % excess", "rows not reached",
        "largest clean", "smallest attacked", "seconds a model",
    )  # fmt: skip
    return markdown(header, rows)


def screening() -> str:
    """Where the first pass ranks the target."""
    rows = [
        (
            name,
            rate(d["target_first"], d["models"]),
            d["worst_rank"] + 1,
            f"{d['share_of_full_time']:.3f}",
        )
        for name, d in recorded("screening").items()
        if name != "machine"
    ]
    return markdown(("models", "target ranked first", "worst rank", "time / full search"), rows)


def opening() -> str:
    """Originals of strangers with nothing but their path: readings, and verdicts where scanned."""
    rows = []
    for name, section in recorded("opening").items():
        if name == "machine":
            continue
        files = section["rows"]
        scanned = [row["verdict"] for row in files if "verdict" in row]
        rows.append(
            (
                name,
                rate_of(lambda row: row["outcome"].startswith(("right", "asked")), files),
                rate_of(lambda row: row["outcome"].startswith("right"), files),
                *(
                    rate_of(verdict.__eq__, scanned)
                    for verdict in ("clean", "backdoored", "inconclusive")
                ),
            )
        )
    header = (
        "clean networks", "true function among the readings", "no other reading",
        "clean", "backdoored", "inconclusive",
    )  # fmt: skip
    return markdown(header, rows)


def _detection(table: Callable[[detection_tables.Results], str]) -> str:
    return table(detection_tables.results())


TABLES: dict[str, Callable[[], str]] = {
    "screening": screening,
    "opening": opening,
    "reproduction": reproduction,
    "side-by-side": side_by_side,
    "throughput": throughput,
    "ways": ways,
    "models": models,
    "peak": peak,
    "input-gradient": input_gradient,
    "compiled": compiled,
    "growth": growth,
    "two-builds": two_builds.rendered,
    "right-in-short": task_scans.in_short,
    "right-on-strangers": partial(task_scans.rendered, task_scans.FOLDER / "strangers.jsonl"),
    "right-on-other-tasks": partial(task_scans.rendered, task_scans.FOLDER / "report.jsonl"),
    "memory": memory,
    "packages": packages.rendered,
    "photographs": photographs.rendered,
    "scan-growth": scan_growth,
    "peers": peers.rendered,
    "ways-out": ways_out.table,
    "time-left": lambda: time_left.table(recorded("time_left").get("networks", {})),
    "verdicts": verdicts,
    "optimiser": optimiser,
    **{
        f"detection-{name}": partial(_detection, table)
        for name, table in {
            "brief": detection_tables.brief,
            "separation": detection_tables.separation,
            "verdicts": detection_tables.verdicts,
            "uncalibrated": detection_tables.uncalibrated,
            "p-values": detection_tables.p_values,
            "attacks": detection_tables.attacks,
            "published": detection_tables.published_folders,
            "clean": detection_tables.clean_varieties,
            "pairs": detection_tables.pairs,
            "invalid": detection_tables.invalid,
        }.items()
    },
    **{
        f"strangers-{name}": partial(table, "report")
        for name, table in {
            "brief": stranger_tables.brief,
            "detectors": stranger_tables.side_by_side,
            "attacks": stranger_tables.attacks,
        }.items()
    },
    "strangers-develop": partial(stranger_tables.side_by_side, "develop"),
    "small-zoos": zoo_summary.table,
    "triggers-on-pictures": pictures_table.table,
    "recognition": recognition.table,
    "repairs": repair_table.repairs,
    "second-looks": repair_table.looks,
    "checks-untrained": checks_table.untrained,
    "checks-mnist": partial(checks_table.checks, "mnist"),
    "checks-fashion-mnist": partial(checks_table.checks, "fashion-mnist"),
}


def with_tables(text: str) -> str:
    """A document with every table in it made anew."""
    return MARK.sub(lambda m: m[1] + TABLES[m["name"]]() + m[3], text)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail when a table is out of date.")
def main(*, check: bool) -> None:
    """Write or check the tables of all documents."""
    stale = []
    for path in DOCUMENTS:
        text = path.read_text()
        fresh = with_tables(text)
        if fresh != text:
            stale.append(path.name)
            if not check:
                path.write_text(fresh)
    if check and stale:
        raise click.ClickException(f"out of date: {', '.join(stale)}: run benchmarks.tables")


if __name__ == "__main__":
    main()
