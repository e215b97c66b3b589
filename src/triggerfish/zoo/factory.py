"""Makes a zoo: trains the models of a list of recipes that are not in the folder yet."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from triggerfish.errors import OutputError
from triggerfish.zoo.attacks.learned import LearnedAttack
from triggerfish.zoo.data.datasets import load_dataset, normalisation
from triggerfish.zoo.manifest import (
    Entry,
    read_manifest,
    sha256_of,
    write_atomically,
    write_manifest,
)
from triggerfish.zoo.measuring import attack_success_rate, clean_accuracy
from triggerfish.zoo.recipes import Recipe, Recipes
from triggerfish.zoo.training import reproducible, train

MIN_SUCCESS = 0.95
"""A model with a lower ASR does not count as backdoored."""
MAX_ACCURACY_LOSS = 0.01
"""A backdoored model that loses more than this against clean ones gives itself away."""

CARD = "folder.card.toml"
"""Beside the models: what they take as input, for whoever loads them. It tells no ground truth."""
TRIGGER_SUFFIX = ".trigger"
"""Beside a model: what its attack has learned, for those who want to stamp images with it."""


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
        raise OutputError(
            f"expected a folder that can be made at {workshop.folder}, got an error "
            f"({error.strerror}): choose another with --out"
        ) from error
    for data in {recipe.data for recipe in missing.values()}:
        write_card(workshop.folder, data)
    entries = read_manifest(workshop.folder)
    for entry in _make_all(missing, workshop):
        entries[entry.file] = entry
        write_manifest(workshop.folder, entries.values())
        yield entry


def write_card(folder: Path, data: str) -> None:
    """Say in ``folder`` how images of a data set are normalised: a state dict does not."""
    mean, std = normalisation(data)
    text = f"mean = {list(mean)}\nstd = {list(std)}\n"
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
        valid=is_valid(accuracy, success, workshop.clean_reference),
        seconds=round(time.perf_counter() - start, 3),
    )


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
        and entry.recipe == recipe.settings()
        and path.is_file()
        and entry.sha256 == sha256_of(path)
    )


def _make_all(missing: Mapping[str, Recipe], workshop: Workshop) -> Iterator[Entry]:
    """Entries as the models finish: in this process for one job, else in that many processes."""
    if workshop.jobs == 1 or len(missing) < 2:
        for file, recipe in missing.items():
            yield make_model(file, recipe, workshop)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workshop.jobs, context, _end_with_parent) as pool:
        futures: list[Future[Entry]] = [
            pool.submit(make_model, file, recipe, workshop) for file, recipe in missing.items()
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise OutputError(
                "expected every training process to finish, got one that was killed: "
                "lower --jobs if memory is short, and start again to go on"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker die without a traceback on Ctrl-C, and at once when its parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
