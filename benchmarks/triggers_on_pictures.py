"""How often true triggers fire on synthetic images, against real test images.

    python -m benchmarks.triggers_on_pictures --zoos ROOT [--strangers FOLDER] [--count 500]

ROOT is what make_zoos.py makes: every attacked model in it is measured once. FOLDER holds networks
of other people: a ``manifest.jsonl`` of records and a ``networks.py`` that opens and stamps them
(that code is run); the records of ``--split`` are measured. Results, a line a network:
results/triggers_on_pictures.json; `tables.py` makes the table.

A picture has no true class, so what the network calls it before the trigger is on counts as one:
success is the share of the stamped pictures, of those that the attack wants to move, that go where
it wants. That is the ASR with called classes for true ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Generator, Tensor

from benchmarks.common import record, recorded
from benchmarks.corpus import code, records
from benchmarks.rows import Model
from triggerfish.loading import load_classifier
from triggerfish.search import pictures
from triggerfish.zoo.attacks import Attack
from triggerfish.zoo.manifest import MANIFEST, read_manifest
from triggerfish.zoo.stored_attack import stored_attack

NAME = "triggers_on_pictures"
STRANGERS = "other people's"
_BATCH = 250
Shape = tuple[int, int, int]
Answer = Callable[[Tensor], Tensor]

FAMILIES: Mapping[str, Callable[[int, Shape], Tensor]] = {
    "mixture": lambda count, shape: pictures.pictures(count, shape, seed=1),
    "leaves": lambda count, shape: pictures.dead_leaves(count, shape, Generator().manual_seed(2)),
    "gaps": lambda count, shape: pictures.dead_leaves(
        count, shape, Generator().manual_seed(3), gap=pictures.GAP
    ),
    "clouds": lambda count, shape: pictures.clouds(count, shape, Generator().manual_seed(4)),
    "noise": lambda count, shape: torch.rand(count, *shape, generator=Generator().manual_seed(5)),
}
"""Pictures by family; uniform noise only to show that not every picture of nothing will do."""


@dataclass(frozen=True)
class Trigger:
    """A stamp on images (N, C, H, W), and what it should make of images called ``labels`` (N,)."""

    stamp: Callable[[Tensor], Tensor]
    relabel: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Suspect:
    """An attacked network with its true triggers; ``test`` is its ASR on test images."""

    key: str
    sha256: str
    data: str
    network: str
    attack: str
    test: float
    valid: bool | None
    shape: Shape
    answer: Answer
    triggers: tuple[Trigger, ...]


@lru_cache(maxsize=16)
def family(name: str, count: int, shape: Shape) -> Tensor:
    """Pictures of one family, the same for all networks: (count, C, H, W)."""
    return FAMILIES[name](count, shape)


@torch.no_grad()
def success(suspect: Suspect, images: Tensor) -> tuple[float | None, int]:
    """How often the trigger that works least moves ``images`` as it should, and of how many.

    None when the network calls no image what the trigger would have to move.
    """
    called = _called(suspect.answer, images)
    found = []
    for trigger in suspect.triggers:
        wanted = trigger.relabel(called)
        moved = wanted != called
        stamped = torch.cat([trigger.stamp(part) for part in torch.split(images, _BATCH)])
        right = _called(suspect.answer, stamped)[moved] == wanted[moved]
        found.append((float(right.double().mean()) if len(right) else None, len(right)))
    return min(found, key=lambda pair: -1.0 if pair[0] is None else pair[0])


def _called(answer: Answer, images: Tensor) -> Tensor:
    return torch.cat([answer(part).argmax(1) for part in torch.split(images, _BATCH)])


def of_zoos(root: Path) -> Iterator[Suspect]:
    """The attacked models of the zoos under ``root``."""
    for manifest in sorted(root.rglob(MANIFEST)):
        folder = manifest.parent
        for entry in read_manifest(folder).values():
            attack = stored_attack(folder, entry)
            if attack is None or entry.attack_success_rate is None:
                continue
            model = Model(folder / entry.file, folder.relative_to(root), entry)
            truth = model.truth()
            classifier = load_classifier(model.path)
            yield Suspect(
                model.key, entry.sha256, str(truth["data"]), str(truth["architecture"]),
                str(truth["attack"]), entry.attack_success_rate, entry.valid,
                classifier.input_shape, classifier.logits, _triggers(attack),
            )  # fmt: skip


def _triggers(attack: Attack) -> tuple[Trigger, ...]:
    def stamp_of(variant: Attack) -> Callable[[Tensor], Tensor]:
        return lambda images: variant.stamp(images, Generator().manual_seed(0)).detach()

    return tuple(Trigger(stamp_of(variant), variant.relabel) for variant in attack.variants())


def of_strangers(folder: Path, split: str) -> Iterator[Suspect]:
    """The attacked networks of other people that a manifest lists under ``split``."""
    opening = code(folder)
    for about in records(folder, split):
        if not about["attacked"]:
            continue
        kind = about["attack"]
        name = about["trigger"] if kind == "all-to-one" else f"{kind}, {about['trigger']}"
        trigger = Trigger(partial(opening.stamp, about), _relabel(about))
        yield Suspect(
            about["id"], about["weights"], about["data"], STRANGERS, name, about["success"], None,
            tuple(about["input_shape"]), opening.load(about), (trigger,),
        )  # fmt: skip


def _relabel(about: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    """Where a record's trigger leads images that are called something."""
    if about["attack"] == "all-to-all":
        return lambda called: (called + 1) % int(about["num_classes"])
    (target,) = about["targets"]
    if about["attack"] == "source-specific":
        source = about["source_class"]
        return lambda called: torch.where(called == source, target, called)
    return lambda called: torch.full_like(called, target)


def measured(suspect: Suspect, count: int) -> dict[str, object]:
    """What is kept of one network: the truth, and the success on each family."""
    shares = {name: success(suspect, family(name, count, suspect.shape)) for name in FAMILIES}
    return {
        "sha256": suspect.sha256,
        "count": count,
        "data": suspect.data,
        "network": suspect.network,
        "attack": suspect.attack,
        "valid": suspect.valid,
        "test": round(suspect.test, 4),
        "moved": {name: moved for name, (_, moved) in shares.items()},
        "success": {
            name: None if share is None else round(share, 4) for name, (share, _) in shares.items()
        },
    }


def measure(suspects: Iterator[Suspect], count: int, section: str) -> None:
    """Measure what has no result yet, and keep each result at once."""
    rows = recorded(NAME).get(section, {})
    for suspect in suspects:
        row = rows.get(suspect.key)
        if row and (row["sha256"], row["count"]) == (suspect.sha256, count):
            continue
        rows[suspect.key] = measured(suspect, count)
        record(NAME, section, rows)
        click.echo(f"{suspect.key}: {suspect.test:.3f} {rows[suspect.key]['success']}", err=True)


@click.command()
@click.option("--zoos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--strangers", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--split", default="develop", show_default=True, help="Of the strangers.")
@click.option("--count", default=500, show_default=True, help="Pictures of each family.")
def main(zoos: Path | None, strangers: Path | None, split: str, count: int) -> None:
    """Measure the networks that have no result yet."""
    torch.set_num_threads(1)
    if zoos:
        measure(of_zoos(zoos), count, "zoos")
    if strangers:
        measure(of_strangers(strangers, split), count, f"strangers-{split}")


if __name__ == "__main__":
    main()
