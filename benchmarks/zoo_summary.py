"""What is in the zoos under a root: for their README, and for the table in the docs.

    python -m benchmarks.zoo_summary ROOT

ROOT/README.md gets a line a model, `results/small_zoos.json` the same numbers by folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.common import record, recorded
from benchmarks.markdown import markdown
from triggerfish.files import write_atomically
from triggerfish.zoo.manifest import MANIFEST, Entry, read_manifest

NAME = "small_zoos"
README = "README.md"
_ABOUT = """# Zoos

Made by `python -m benchmarks.make_zoos`; this file by `python -m benchmarks.zoo_summary`. A folder
holds a manifest with the recipe and the truth of every model, and a card (`triggerfish.toml`) that
says what a scan may know. A model is valid when its attack succeeds on 95 % of the test images that
it should move and its clean accuracy is at most a point below that of clean models, or of the
checkpoint that the attack was implanted in; others are kept, and reported apart.

"""


def found(root: Path) -> Iterator[tuple[str, Entry]]:
    """Folder below ``root`` and manifest entry of every model."""
    for manifest in sorted(root.rglob(MANIFEST)):
        folder = manifest.parent
        for entry in read_manifest(folder).values():
            yield folder.relative_to(root).as_posix(), entry


def write_readme(root: Path) -> None:
    """Say in ``root`` what is there, model by model."""
    lines = [
        (
            folder, entry.file, _origin(entry), ", ".join(map(str, entry.targets[:5])) or "-",
            f"{entry.clean_accuracy:.4f}", _share(entry.attack_success_rate),
            _VALID[entry.valid], f"{entry.seconds:.0f}",
        )
        for folder, entry in found(root)
    ]  # fmt: skip
    header = ("folder", "file", "made from", "targets", "accuracy", "ASR", "valid", "seconds")
    text = f"{_ABOUT}{len(lines)} models.\n\n{markdown(header, lines)}"
    write_atomically(root / README, lambda path: path.write_text(text, encoding="utf-8"))


def table() -> str:
    """Folder by folder: how many models, how accurate, how successful."""
    folders: dict[str, list[dict[str, Any]]] = recorded(NAME).get("folders", {})
    lines = [
        (
            folder, len(models), f"{median(m['accuracy'] for m in models):.3f}",
            _median([m["success"] for m in models if m["success"] is not None]),
            sum(m["valid"] is not False for m in models),
        )
        for folder, models in folders.items()
    ]  # fmt: skip
    header = ("zoo", "models", "clean accuracy, median", "ASR, median", "valid")
    return markdown(header, lines)


_VALID = {True: "yes", False: "no", None: "-"}


def _origin(entry: Entry) -> str:
    origin: Any = entry.recipe.get("origin")
    return str(origin["file"]) if origin else "-"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _median(values: list[float]) -> str:
    return f"{median(values):.3f}" if values else "-"


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(root: Path) -> None:
    """Write the README of the zoos and what the docs say of them."""
    write_readme(root)
    folders: dict[str, list[dict[str, object]]] = {}
    for folder, entry in found(root):
        folders.setdefault(folder, []).append(
            {
                "accuracy": entry.clean_accuracy,
                "success": entry.attack_success_rate,
                "valid": entry.valid,
            }
        )
    record(NAME, "folders", folders)


if __name__ == "__main__":
    main()
