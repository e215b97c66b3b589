"""Networks to repair: other people's and those of our zoos, with the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor

from benchmarks import corpus
from benchmarks.rows import Model
from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.manifest import MANIFEST, read_manifest
from triggerfish.zoo.stored_attack import stored_attack

Stamp = Callable[[Tensor], Tensor]
Relabel = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Suspect:
    """A network, and what is true of it.

    ``triggers`` are stamps on images (N, C, H, W) with what each makes of labels (N,); none for a
    clean network. ``targets`` are the classes they lead to, empty for an attack on all.
    """

    id: str
    data: str
    attack: str
    targets: tuple[int, ...]
    classifier: Classifier
    triggers: tuple[tuple[Stamp, Relabel], ...]


def of_strangers(folder: Path, split: str) -> Iterator[tuple[str, Callable[[], Suspect]]]:
    """Ids of a split's networks, and how to open each."""
    for record in corpus.records(folder, split):
        yield record["id"], partial(_stranger, folder, record)


def of_zoos(root: Path, split: str) -> Iterator[tuple[str, Callable[[], Suspect]]]:
    """Keys of a split's models below ``root``, and how to open each."""
    for manifest in sorted(root.rglob(MANIFEST)):
        folder = manifest.parent
        for entry in read_manifest(folder).values():
            model = Model(folder / entry.file, folder.relative_to(root), entry)
            if model.split == split and entry.valid is not False:
                yield model.key, partial(_of_zoo, model, folder)


def of_folders(folders: Sequence[Path]) -> Iterator[tuple[str, Callable[[], Suspect]]]:
    """Keys of the models of any zoo folders, such as that of `triggerfish demo`."""
    for folder in folders:
        for entry in read_manifest(folder).values():
            place = Path(str(entry.recipe["data"])) / "own" / folder.name
            model = Model(folder / entry.file, place, entry)
            yield model.key, partial(_of_zoo, model, folder)


def _stranger(folder: Path, record: corpus.Record) -> Suspect:
    stamp = partial(corpus.code(folder).stamp, record)
    kind, trigger = record.get("attack") or "", record.get("trigger") or ""
    return Suspect(
        record["id"],
        record["data"],
        trigger if kind == "all-to-one" else f"{kind}, {trigger}" if kind else "",
        tuple(record.get("targets") or ()),
        corpus.classifier_of(folder, record),
        ((stamp, partial(_relabelled, record)),) if record["attacked"] else (),
    )


def _relabelled(record: corpus.Record, labels: Tensor) -> Tensor:
    """Where a record's trigger leads images of ``labels`` (N,)."""
    if record["attack"] == "all-to-all":
        return (labels + 1) % int(record["num_classes"])
    (target,) = record["targets"]
    if record["attack"] == "source-specific":
        return torch.where(labels == record["source_class"], target, labels)
    return torch.full_like(labels, target)


def _of_zoo(model: Model, folder: Path) -> Suspect:
    attack = stored_attack(folder, model.entry)
    truth = model.truth()
    return Suspect(
        model.key,
        str(truth["data"]),
        str(truth["attack"] or ""),
        tuple(model.entry.targets or ()),
        load_classifier(model.path),
        () if attack is None else tuple((_stamp(v), v.relabel) for v in attack.variants()),
    )


def _stamp(attack: Attack) -> Stamp:
    return lambda images: attack.stamp(images, Generator().manual_seed(0)).detach()
