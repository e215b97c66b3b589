"""Write docs/images/universal.png: true triggers and perturbations found without data.

    triggerfish zoo clean --data cifar10 --data-root DATA --count 1 \
        --architecture pytorch_tutorial_cnn
    for attack in random-pattern sig; do
      triggerfish zoo attack $attack --data cifar10 --data-root DATA --targets 3 --count 1 \
          --from clean_cifar10_pytorch_tutorial_cnn_models
    done
    python docs/make_universal_picture.py ZOO...

Of every ZOO, a folder that `triggerfish zoo attack` has made, the first model is shown: procedural
pictures, what they are called as they are and with the true trigger, and the smallest perturbation
to the target in the pixel and in the frequency basis. Changes are enlarged around grey.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from make_picture import ROOT
from PIL import Image, ImageDraw
from torch import Tensor

from triggerfish import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import PicturePool, success_rate
from triggerfish.search.pictures import pictures
from triggerfish.search.universal import UniversalSearch, search_universal
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.manifest import read_manifest
from triggerfish.zoo.stored_attack import stored_attack

TARGET = ROOT / "docs" / "images" / "universal.png"
DRAWN, FRESH, SHOWN = 400, 80, 6
SIDE, GAP, TITLE = 84, 6, 16


def rows_of(folder: Path) -> list[tuple[str, list[Tensor]]]:
    """Titles and pictures (C, H, W) of the first model in a zoo."""
    entry = next(iter(read_manifest(folder).values()))
    attack, classifier = stored_attack(folder, entry), load_classifier(folder / entry.file)
    assert attack is not None, f"expected an attacked zoo, got {folder}"
    (target,) = entry.targets
    pool, fresh = PicturePool.of(classifier, pictures(DRAWN + FRESH, classifier.input_shape)).split(
        DRAWN
    )
    stamped = stamp(attack, fresh.images)
    share = float((called(classifier, stamped) == target).float().mean())
    shown = fresh.images[:SHOWN]
    rows = [
        (f"{folder.name}: synthetic images", list(shown)),
        (f"with the true trigger, {share:.0%} become class {target}", list(stamped[:SHOWN])),
    ]
    trigger = stamp(attack, torch.full_like(shown[:1], 0.5))[0] - 0.5
    perturbations = [("true trigger on grey", trigger), *found(classifier, pool, fresh, target)]
    titles = "; ".join(f"{number}: {name}" for number, (name, _) in enumerate(perturbations, 1))
    return [*rows, (titles, [enlarged(perturbation) for _, perturbation in perturbations])]


def found(
    classifier: Classifier, pool: PicturePool, fresh: PicturePool, target: int
) -> list[tuple[str, Tensor]]:
    """The smallest perturbation to the target in either basis, with its success rate."""
    both = torch.tensor([False, True])
    goal = torch.full((2,), target)
    perturbations = search_universal(classifier, pool, goal, both, UniversalSearch())
    named = []
    for row, basis in enumerate(("pixels", "frequencies")):
        part = perturbations.rows(slice(row, row + 1))
        success = float(success_rate(classifier, fresh, part.perturbation, goal[:1]))
        named.append((f"found in {basis} ({success:.0%})", perturbations.perturbation[row]))
    return named


def stamp(attack: Attack, images: Tensor) -> Tensor:
    """Images (N, C, H, W) with the true trigger."""
    return attack.stamp(images, torch.Generator().manual_seed(0)).detach()


@torch.no_grad()
def called(classifier: Classifier, images: Tensor) -> Tensor:
    """What the network calls images (N, C, H, W)."""
    return classifier.logits(images).argmax(1)


def enlarged(perturbation: Tensor) -> Tensor:
    """A perturbation (C, H, W) around grey, its largest value at full contrast."""
    return 0.5 + 0.5 * perturbation / perturbation.abs().max().clamp_min(1e-6)


def picture(values: Tensor) -> Image.Image:
    """(C, H, W) in [0, 1], each pixel a square."""
    color = values.expand(3, -1, -1) if len(values) == 1 else values
    array = (color.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(array)).resize(
        (SIDE, SIDE), Image.Resampling.NEAREST
    )


def sheet(rows: list[tuple[str, list[Tensor]]]) -> Image.Image:
    """Rows of pictures, each under its title."""
    width = SHOWN * (SIDE + GAP) + GAP
    canvas = Image.new("RGB", (width, len(rows) * (SIDE + TITLE + GAP)), "white")
    draw = ImageDraw.Draw(canvas)
    for row, (title, shown) in enumerate(rows):
        top = row * (SIDE + TITLE + GAP)
        draw.text((GAP, top + 2), title, fill="black")
        for column, values in enumerate(shown):
            canvas.paste(picture(values), (GAP + column * (SIDE + GAP), top + TITLE))
    return canvas


def main(zoos: list[Path]) -> None:
    """One sheet of all zoos."""
    rows = [row for zoo in zoos for row in rows_of(zoo)]
    sheet(rows).quantize(128).save(TARGET, optimize=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
