"""Makes a zoo: trains the models of a list of recipes that are not in the folder yet."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

from triggerfish.errors import OutputError
from triggerfish.files import refused, sha256_of, write_atomically
from triggerfish.parallel import in_processes
from triggerfish.zoo.attacks.learned import ImageNetwork, LearnedAttack
from triggerfish.zoo.data.datasets import Dataset, image_shape, load_dataset, normalisation
from triggerfish.zoo.manifest import Entry, read_manifest, write_manifest
from triggerfish.zoo.measuring import attack_success_rate, clean_accuracy
from triggerfish.zoo.recipes import Recipe, Recipes
from triggerfish.zoo.stored_attack import TRIGGER_SUFFIX
from triggerfish.zoo.training import build, reproducible, train

MIN_SUCCESS = 0.95
"""A model with a lower ASR does not count as backdoored."""
MAX_ACCURACY_LOSS = 0.01
"""A backdoored model that loses more than this against clean ones gives itself away."""

CARD = "folder.card.toml"
"""Beside the models: what they take as input, for whoever loads them. It tells no ground truth."""


@dataclass(frozen=True)
class Workshop:
    """Where and on what models are made: nothing of it decides their weights but ``device``."""

    folder: Path
    data_root: Path | None = None
    device: str = "cpu"
    jobs: int = 1
    clean_reference: float | None = None


def missing_models(recipes: Recipes, workshop: Workshop) -> dict[str, Recipe]:
    """The recipes whose model is not there: no file, no entry, another recipe or another hash."""
    entries = read_manifest(workshop.folder)
    return {
        file: recipe
        for file, recipe in recipes.items()
        if not _is_done(workshop.folder / file, entries.get(file), recipe)
    }


def make_zoo(recipes: Mapping[str, Recipe], workshop: Workshop) -> Iterator[Entry]:
    """Train what is missing and yield each new manifest entry once it is on disk.

    A run that is stopped at any point goes on where it stopped: checkpoint and manifest are
    replaced in one step each, and finished models are left alone.
    """
    missing = missing_models(recipes, workshop)
    try:
        workshop.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(workshop.folder, error) from error
    for data, architecture in {(r.data, r.architecture) for r in missing.values()}:
        write_card(workshop.folder, data, architecture)
    entries = read_manifest(workshop.folder)
    for entry in _make_all(missing, workshop):
        entries[entry.file] = entry
        write_manifest(workshop.folder, entries.values())
        yield entry


def write_card(folder: Path, data: str, architecture: str) -> None:
    """Say in ``folder`` what a state dict does not: the network, and what it takes as input.

    With all of it said nothing has to be assumed, and references that ship apply.
    """
    mean, std = normalisation(data)
    lines = (
        f'architecture = "{architecture}"',
        f"input_shape = {list(image_shape(data))}",
        f"mean = {list(mean)}",
        f"std = {list(std)}",
    )
    text = "".join(f"{line}\n" for line in lines)
    write_atomically(folder / CARD, lambda part: part.write_text(text))


def make_model(file: str, recipe: Recipe, workshop: Workshop) -> Entry:
    """Train one model, write its checkpoint, and measure it."""
    start = time.perf_counter()
    data = load_dataset(recipe.data, "train", workshop.data_root)
    test = load_dataset(recipe.data, "test", workshop.data_root)
    with reproducible():
        trained = train(recipe, data, torch.device(workshop.device))
        model, attack = trained.model, trained.attack
        accuracy = clean_accuracy(model, test)
        success = attack_success_rate(model, test, attack) if attack else None
        reference = origin_accuracy(recipe, test) if recipe.origin else workshop.clean_reference
    path = workshop.folder / file
    if isinstance(attack, LearnedAttack) and attack.learned():
        learned = attack.learned()
        write_atomically(path.with_suffix(TRIGGER_SUFFIX), lambda part: save(learned, part))
    write_atomically(path, lambda part: save(model.network.state_dict(), part))
    return Entry(
        file=file,
        sha256=sha256_of(path),
        seed=recipe.seed,
        recipe=recipe.settings(),
        targets=attack.targets if attack else (),
        clean_accuracy=accuracy,
        attack_success_rate=success,
        valid=is_valid(accuracy, success, reference),
        seconds=round(time.perf_counter() - start, 3),
    )


def origin_accuracy(recipe: Recipe, test: Dataset) -> float:
    """Clean accuracy of the checkpoint that a fine-tuning starts from."""
    return clean_accuracy(ImageNetwork(build(recipe, test), test.normalise), test)


def is_valid(accuracy: float, success: float | None, reference: float | None) -> bool | None:
    """Whether a model counts as what it is meant to be; None without clean models to compare."""
    if success is None:
        return True
    if success < MIN_SUCCESS:
        return False
    return None if reference is None else accuracy >= reference - MAX_ACCURACY_LOSS


def reference_accuracy(folder: Path, architecture: str) -> float | None:
    """Median clean accuracy of the clean models of one architecture in a zoo, None if empty."""
    accuracies = [
        entry.clean_accuracy
        for entry in read_manifest(folder).values()
        if not entry.targets and entry.recipe["architecture"] == architecture
    ]
    return median(accuracies) if accuracies else None


def save(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a state dict with its tensors on the CPU, in the plain memory format."""
    weights = {key: value.cpu().contiguous() for key, value in state.items()}
    with path.open("wb") as file:  # given a path, torch.save would write its name into the file
        torch.save(weights, file)


def _is_done(path: Path, entry: Entry | None, recipe: Recipe) -> bool:
    return (
        entry is not None
        and recipe.matches(entry.recipe)
        and path.is_file()
        and entry.sha256 == sha256_of(path)
    )


def _make_all(missing: Mapping[str, Recipe], workshop: Workshop) -> Iterator[Entry]:
    """Entries as the models finish: in this process for one job, else in that many processes."""
    if workshop.jobs == 1 or len(missing) < 2:
        for file, recipe in missing.items():
            yield make_model(file, recipe, workshop)
        return
    work = partial(_make_one, workshop=workshop)
    with in_processes(work, missing.items(), workshop.jobs) as done:
        for one in done:
            if one.result is None:
                raise OutputError(f"{one.loss}, and start again to go on")
            yield one.result


def _make_one(item: tuple[str, Recipe], workshop: Workshop) -> Entry:
    return make_model(*item, workshop)
