"""Plain data of one result -> `Scanned` or `Skipped`: the inverse of `reports.json_report`."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from triggerfish.reports.class_table import image_name
from triggerfish.reports.evidence import PICTURES, delta_name, trial_name
from triggerfish.results import (
    Acceptance,
    Assumption,
    BasisEvidence,
    ClassScores,
    Confirmation,
    Evidence,
    Fact,
    Finding,
    Hypothesis,
    Null,
    Pairs,
    Perturbation,
    ReadingResult,
    Scanned,
    Skipped,
    Status,
    Trial,
    Verdict,
)

Data = Mapping[str, Any]


class Artefacts:
    """What lies beside a result: here nothing."""

    def tensor(self, name: str) -> Tensor | None:
        """A tensor by name, None when it is not there."""
        return None

    def file(self, name: str) -> bytes | None:
        """The content of a file, None when it is not there."""
        return None


def revive(data: Data, artefacts: Artefacts) -> Scanned | Skipped:
    """The result that ``data`` was made of.

    Raises `KeyError`, `TypeError` or `ValueError` when it was made of none.
    """
    return _scanned(data, artefacts) if data["status"] == "scanned" else _skipped(data)


def _skipped(data: Data) -> Skipped:
    return Skipped(
        path=Path(data["path"]),
        reason=data["reasons"][0]["text"],
        sha256=data["sha256"],
        kind=data["kind"],
        imports=tuple(data["imports"]),
        accepted=_acceptance(data["accepted"]),
    )


def _scanned(data: Data, artefacts: Artefacts) -> Scanned:
    # The images beside a result are those of the whole, not of its parts.
    parts = tuple(_scores(part, artefacts, (), images=False) for part in data["parts"])
    trials = enumerate(data["trials"])
    return Scanned(
        path=None if data["path"] is None else Path(data["path"]),
        sha256=data["sha256"],
        detector=data["detector"],
        scores=_scores(data, artefacts, parts, images=True),
        verdict=_verdict(data),
        config=data["config"],
        seconds=data["seconds"],
        environment=data["environment"],
        assumptions=tuple(Assumption(**item) for item in data["assumptions"]),
        facts=tuple(Fact(**item) for item in data["facts"]),
        class_names=tuple(data["class_names"]),
        command=data["command"],
        accepted=_acceptance(data["accepted"]),
        trials=tuple(_trial(trial, artefacts, data["image_shape"], i) for i, trial in trials),
        confirmations=tuple(map(_confirmation, data.get("confirmations", ()))),
        readings=tuple(map(_reading, data["readings"])),
        part=data["part"],
        others=tuple(_scanned(other, Artefacts()) for other in data["others"]),
    )


def _verdict(data: Data) -> Verdict:
    return Verdict(
        name=data["verdict"],
        evidence=tuple(map(_evidence, data["evidence"])),
        accused=tuple(Hypothesis(**item) for item in data["accused"]),
        reasons=tuple(Finding(**reason) for reason in data["reasons"]),
        notes=tuple(data["notes"]),
    )


def _evidence(data: Data) -> Evidence:
    known = {
        **data,
        "hypothesis": Hypothesis(**data["hypothesis"]),
        "null": Null(**data["null"]),
        "score": _number(data["score"]),
        # A level that is never passed is infinite, and JSON has no such number.
        "flag_at": _number(data["flag_at"]),
    }
    return Evidence(**known)


def _reading(data: Data) -> ReadingResult:
    return ReadingResult(**{**data, "flagged": tuple(data["flagged"])})


def _scores(
    data: Data, artefacts: Artefacts, parts: tuple[ClassScores, ...], *, images: bool
) -> ClassScores:
    status = tuple(map(Status, data["class_status"]))
    shown = None if data["shown"] is None else tuple(data["shown"])
    classes = tuple(range(len(status))) if shown is None else shown
    shape = data["image_shape"]
    found = _images(classes, shape, artefacts) if images else None
    pairs = data["pairs"]
    return ClassScores(
        name=data["statistic_name"],
        statistic=_tensor(data["statistic"]),
        status=status,
        images=torch.empty(0, *shape) if found is None else found,
        probability=_tensor(data["probability"]),
        logits=torch.full((len(classes), len(status)), torch.nan, dtype=torch.float64),
        details={name: _tensor(vector) for name, vector in data["details"].items()},
        shown=shown,
        pairs=None if pairs is None else Pairs(_tensor(pairs["score"]), _tensor(pairs["norm"])),
        restarts=None if data["restarts"] is None else _tensor(data["restarts"]),
        perturbations=tuple(
            _perturbation(
                perturbation,
                shape,
                artefacts.tensor(delta_name(perturbation["target"], perturbation["basis"])),
            )
            for perturbation in data["perturbations"]
        ),
        pictures=artefacts.tensor(PICTURES) if data["perturbations"] else None,
        all_classes=data["all_classes_score"],
        parts=parts,
        predicted_classes=tuple(data["predicted_classes"]),
    )


def _perturbation(data: Data, shape: Sequence[int], delta: Tensor | None) -> Perturbation:
    return Perturbation(
        target=data["target"],
        basis=data["basis"],
        delta=torch.full(tuple(shape), torch.nan) if delta is None else delta,
        size=_number(data["size"]),
        median_size=_number(data["median_size"]),
        success_rate=_number(data["success_rate"]),
        status=Status(data["status"]),
        predicted_classes=tuple(data["predicted_classes"]),
    )


def _trial(data: Data, artefacts: Artefacts, shape: Sequence[int], index: int) -> Trial:
    pictures = artefacts.tensor(trial_name(index))
    return Trial(
        target=data["target"],
        basis=data["basis"],
        count=data["count"],
        success_rate=_number(data["success_rate"]),
        pictures=torch.empty(0, *shape) if pictures is None else pictures,
        before=tuple(data["before"]),
        after=tuple(data["after"]),
    )


def _confirmation(data: Data) -> Confirmation:
    """A confirmation test, without the perturbations that it found: they are not stored."""
    evidence = [
        BasisEvidence(
            **{**item, "size": _number(item["size"]), "controls": tuple(item["controls"])}
        )
        for item in data["evidence"]
    ]
    return Confirmation(
        target=data["target"],
        grade=data["grade"],
        lead=data["lead"],
        evidence=tuple(evidence),
        perturbations=(),
        seconds=data["seconds"],
    )


def _images(classes: Sequence[int], shape: Sequence[int], artefacts: Artefacts) -> Tensor | None:
    """Images (M, C, H, W) in [0, 1] from their PNG files, None when one of them is missing."""
    images = []
    for label in classes:
        content = artefacts.file(image_name(label))
        if content is None:
            return None
        images.append(_image(content, shape))
    return torch.stack(images) if images else torch.empty(0, *shape)


def _image(content: bytes, shape: Sequence[int]) -> Tensor:
    """The inverse of `reports.images.render_image`."""
    values = torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).float() / 255
    if values.ndim == 3:
        return values.permute(2, 0, 1)
    return values.view(len(values), -1, shape[2]).permute(1, 0, 2)


def _acceptance(data: Data | None) -> Acceptance | None:
    return None if data is None else Acceptance(data["reason"], date.fromisoformat(data["until"]))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _tensor(values: Sequence[Any]) -> Tensor:
    """Float64 of numbers or rows of numbers, NaN for None."""
    return torch.from_numpy(np.array(values, dtype=np.float64))
