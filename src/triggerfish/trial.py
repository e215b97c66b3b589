"""A perturbation that was found, tried: on the pictures of the search, and on a user's own."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from triggerfish.errors import DatasetError, one_line
from triggerfish.model.classifier import Classifier
from triggerfish.results import ON_OWN, ClassScores, Perturbation, Scanned, Stamp, Trial
from triggerfish.search.activation_maximization import evaluate

MOST_PICTURES = 200
"""A success counted on so many is known to 7 %: more would only take longer."""
SHOWN = 8
NOTHING_TRIED = f"{ON_OWN} nothing was tried, as no pattern was found"
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def with_answers(scores: ClassScores, classifier: Classifier) -> ClassScores:
    """Scores with the predicted classes of their ``pictures``, as they are and perturbed."""
    parts = tuple(with_answers(part, classifier) for part in scores.parts)
    pictures = scores.pictures
    if pictures is None or not scores.perturbations:
        return replace(scores, parts=parts)
    perturbations = tuple(
        replace(
            perturbation, predicted_classes=predicted(classifier, changed(pictures, perturbation))
        )
        for perturbation in scores.perturbations
    )
    plain = predicted(classifier, pictures)
    return replace(scores, parts=parts, perturbations=perturbations, predicted_classes=plain)


def predicted(classifier: Classifier, pictures: Tensor) -> tuple[int, ...]:
    """The predicted classes of pictures (P, C, H, W) in [0, 1]."""
    logits = evaluate(classifier, pictures.to(classifier.device, classifier.dtype))
    return tuple(map(int, logits.argmax(1).tolist()))


def changed(pictures: Tensor, perturbation: Perturbation | Stamp) -> Tensor:
    """Pictures (P, C, H, W) with the perturbation added, clamped to [0, 1], or with the stamp."""
    if isinstance(perturbation, Stamp):
        return torch.where(perturbation.mask > 0, perturbation.image, pictures).to(pictures)
    return (pictures + perturbation.delta.to(pictures)).clamp(0, 1)


def with_trials(result: Scanned, classifier: Classifier, folder: Path) -> Scanned:
    """The result with what was found tried on the pictures in ``folder``.

    That is every perturbation to a flagged class; where the verdict is *inconclusive*, to any. A
    note says so where there is none.

    Raises:
        DatasetError: there are no pictures, or one cannot be read.
    """
    scores = (result.scores, *result.scores.parts)
    found = {(c.target, c.basis): c for part in reversed(scores) for c in part.perturbations}
    wanted: list[Perturbation | Stamp] = [
        *(stamp for stamp in result.stamps if not stamp.fitted),
        *(one for one in found.values() if _is_in_question(result, one)),
    ]
    if not wanted:
        notes = (*result.verdict.notes, NOTHING_TRIED)
        return replace(result, verdict=replace(result.verdict, notes=notes))
    pictures = read_pictures(folder, classifier.input_shape)
    plain = predicted(classifier, pictures)
    trials = tuple(trial(classifier, perturbation, pictures, plain) for perturbation in wanted)
    return replace(result, trials=trials)


def trial(
    classifier: Classifier,
    perturbation: Perturbation | Stamp,
    pictures: Tensor,
    plain: tuple[int, ...],
) -> Trial:
    """The perturbation tried on pictures (P, C, H, W) of predicted classes ``plain`` (P,)."""
    with_it = predicted(classifier, changed(pictures, perturbation))
    tried = [i for i, was in enumerate(plain) if was != perturbation.target]
    flipped = [i for i in tried if _flips(perturbation, plain[i], with_it[i])]
    shown = tried[:SHOWN]
    return Trial(
        target=perturbation.target,
        basis="stamp" if isinstance(perturbation, Stamp) else perturbation.basis,
        count=len(tried),
        success_rate=len(flipped) / len(tried) if tried else float("nan"),
        pictures=pictures[shown],
        before=tuple(plain[i] for i in shown),
        after=tuple(with_it[i] for i in shown),
    )


def read_pictures(folder: Path, shape: tuple[int, ...]) -> Tensor:
    """The pictures in a folder and those below it, as (P, C, H, W) in [0, 1].

    Of more than 200 as many, evenly over their names. Each is scaled and cropped in its middle;
    grey where the network takes one channel. What shines through is white.
    """
    try:
        next(folder.iterdir(), None)  # a folder that cannot be read looks empty to a search
        files = sorted(f for f in folder.rglob("[!.]*") if f.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error})") from error
    if not files:
        kinds = ", ".join(sorted(SUFFIXES))
        raise DatasetError(f"{folder}: no images ({kinds})")
    if shape[0] not in (1, 3):
        raise DatasetError(
            f"--images needs a network of grey or colour images; this one takes {shape[0]} channels"
        )
    count = min(len(files), MOST_PICTURES)
    chosen = [files[i * len(files) // count] for i in range(count)]
    return torch.stack([_picture(file, shape) for file in chosen])


def _picture(file: Path, shape: tuple[int, ...]) -> Tensor:
    """One picture (C, H, W) in [0, 1]."""
    channels, height, width = shape
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # slow, not wrong
            plain = _opaque(image).convert("RGB" if channels == 3 else "L")
            fitted = ImageOps.fit(plain, (width, height))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DatasetError(
            f"{file}: no image that can be read ({one_line(error)}). Remove it from the folder"
        ) from error
    values = torch.from_numpy(np.array(fitted)).float() / 255
    return values.view(height, width, channels).permute(2, 0, 1)


def _opaque(image: Image.Image) -> Image.Image:
    """The picture upright, in 8 bits a channel, on white."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bits, which Pillow would clip to 8
        return Image.fromarray((np.asarray(upright, np.float64) / 257).round().astype(np.uint8))
    if not upright.has_transparency_data:
        return upright
    colors = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colors.size, "white"), colors)


def _is_in_question(result: Scanned, perturbation: Perturbation) -> bool:
    verdict = result.verdict
    if verdict.name == "inconclusive":
        return True
    if perturbation.target is None:
        return verdict.all_classes
    return perturbation.target in verdict.flagged


def _flips(perturbation: Perturbation | Stamp, was: int, now: int) -> bool:
    return now != was if perturbation.target is None else now == perturbation.target
