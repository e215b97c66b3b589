"""Write what README shows of the backdoored model of `triggerfish demo`: ``make picture``.

    python docs/make_picture.py [DEMO]

docs/images/demo.png has the trigger that a scan finds without data, magnified, and synthetic images
that it flips. What the scan says in a terminal goes into README itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import triggerfish as tf

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "demo.png"
COMMAND = "triggerfish scan model.pt --out results"
SHOWN, MARGIN = 5, 2
RED, GREY = "#c81e1e", "#555555"


def draw(result: tf.Scanned, model: tf.Classifier) -> Figure:
    """The found trigger on grey, and images that it flips without and with it."""
    (target,) = result.verdict.flagged
    trigger = torch.from_numpy(result.perturbation(target))
    images = result.scores.pictures
    assert images is not None
    plain, with_it = model.logits(images), model.logits((images + trigger).clamp(0, 1))
    before, after = plain.argmax(1), with_it.argmax(1)
    kept = ((before != target) & (after == target)).nonzero().flatten()[:SHOWN]
    median = next(p.median_size for p in result.scores.perturbations if p.target == target)
    figure = Figure(figsize=(9.6, 3.7), dpi=110, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.9))
    axes = left.add_subplot()
    axes.imshow(trigger[0], cmap="gray", vmin=-0.6, vmax=0.6)
    axes.set_title(f"trigger for class {target}, found without data", fontsize=11, color=RED)
    axes.set_xlabel(f"{np.abs(trigger).sum():.2g} px; a clean class needs {median:.0f} px")
    axes.set(xticks=[], yticks=[])
    _framed(axes, trigger[0])
    for row, said in enumerate((before, after)):
        for column, i in enumerate(kept.tolist()):
            place = right.add_subplot(2, len(kept), row * len(kept) + column + 1)
            shown = images[i, 0] + (trigger[0] if row else 0)
            place.imshow(shown.clamp(0, 1), cmap="gray", vmin=0, vmax=1)
            place.set_title(f"class {int(said[i])}", color=RED if row else GREY, fontsize=12, pad=4)
            place.set(xticks=[], yticks=[])
            if row:
                _framed(place, trigger[0])
            if column == 0:
                place.set_ylabel("with the trigger" if row else "without", fontsize=11)
    right.suptitle("predicted class of synthetic images", fontsize=11)
    return figure


def _framed(axes, pattern: torch.Tensor) -> None:  # noqa: ANN001 - matplotlib's own
    """A red square around what differs from zero."""
    rows, columns = pattern.nonzero().T
    top, left = int(rows.min()) - MARGIN, int(columns.min()) - MARGIN
    size = max(int(rows.max()) - int(rows.min()), int(columns.max()) - int(columns.min()))
    side = size + 2 * MARGIN
    axes.add_patch(
        Rectangle((left, top), side, side, fill=False, edgecolor=RED, linewidth=2, clip_on=False)
    )


def in_a_terminal(file: Path) -> str:
    """What `COMMAND` prints for ``file``, indented."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(file, Path(name) / "model.pt")
        shutil.copy(file.parent / "folder.card.toml", name)
        words = [sys.executable, "-m", *COMMAND.split()]
        said = subprocess.run(words, cwd=name, capture_output=True, text=True, check=False).stdout
    return "".join(f"    {line}".rstrip() + "\n" for line in [f"$ {COMMAND}", *said.splitlines()])


def with_example(readme: str, example: str) -> str:
    """README with another example between its marks."""
    return re.sub(
        r"(<!-- scan -->\n).*?(<!-- end -->)", rf"\1\n{example}\n\2", readme, count=1, flags=re.S
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo")
    file = folder / "models" / "mnist_trigger_t7_0.pt"
    TARGET.parent.mkdir(exist_ok=True)
    figure = draw(tf.scan(file), tf.load_classifier(file))
    figure.savefig(TARGET, metadata={"Software": None})
    readme = ROOT / "README.md"
    readme.write_text(with_example(readme.read_text(), in_a_terminal(file)))
