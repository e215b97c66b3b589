"""What a verdict could be made of, measured on networks whose truth is known.

    python -m benchmarks.measure strangers FOLDER
    python -m benchmarks.measure zoo ZOO [--half choose]

FOLDER is described in `corpus`, ZOO in `task_zoo.train`. Per network: the sizes of the smallest
universal perturbations of all classes in both bases, margins, the untargeted size, what share of
the synthetic images each class has, how the perturbations that look worst stand ten trials, and,
where there are few classes, the sizes of pseudo-classes. Resumable. Results: results/family,
a line a network; `family` reads them.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Generator, Tensor, nn

from benchmarks.common import RESULTS
from benchmarks.corpus import classifier_of, records
from benchmarks.lines import append_line, read_lines
from benchmarks.task_zoo.networks import Build
from triggerfish.confirmation.search import FAMILIES
from triggerfish.confirmation.trials import shifted, without_largest
from triggerfish.detectors import Universal
from triggerfish.detectors.universal import measured_sizes
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.model.temperature import at_temperature, temperature_of
from triggerfish.results import ClassScores, Perturbation
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.batching import rows_that_fit
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, success_rate
from triggerfish.search.pictures import pictures
from triggerfish.search.sure_images import sure_images
from triggerfish.search.universal import search_universal
from triggerfish.verdict.sanity import probe_pictures, spread

FOLDER = RESULTS / "family"
SURE = 240  # images that the network is made sure of
FEW, PSEUDO = 5, 4  # classes up to which pseudo-classes are measured, and how many
UNTARGETED_IMAGES = 16  # a step
TRIED_ON, NOISE = 120, 0.1
MANY = 16  # classes: with more a network takes longest
LARGE_FILE = 900_000  # bytes
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@dataclass(frozen=True)
class Case:
    """A network, what it is, and the truth about it, in the words of a row."""

    classifier: Classifier
    truth: dict[str, Any]


class TwoLogits(nn.Module):
    """One logit as two classes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Images in, two logits out."""
        answer: Tensor = self.network(x)
        return torch.cat((torch.zeros_like(answer), answer), 1)


def strangers(folder: Path) -> Iterator[tuple[str, Any]]:
    """All of them: those that take seconds first, in an order drawn at random."""
    found = [r for split in ("develop", "report") for r in records(folder, split)]
    source = {r["id"]: str(r.get("source", "")).split("@")[0] for r in found}
    for r in sorted(found, key=partial(_place, folder)):
        # What was fine-tuned from a stranger's network belongs to the stranger's group.
        group = source[r.get("fine_tuned_from", r["id"])]
        yield r["id"], partial(_case_of_stranger, folder, r, group)


def _place(folder: Path, record: dict[str, Any]) -> tuple[bool, bool, str]:
    large = (folder / record["weights"]).stat().st_size > LARGE_FILE
    dear = large or record["head"] == "softmax" or record["num_classes"] > 20
    chance = hashlib.sha256(record["id"].encode()).hexdigest()
    return dear or record["network"] != "PlainCNN", "since" not in record, chance


def _case_of_stranger(folder: Path, record: dict[str, Any], group: str) -> Case:
    return Case(classifier_of(folder, record), _truth_of_stranger(record, group))


def _truth_of_stranger(r: dict[str, Any], group: str) -> dict[str, Any]:
    return {
        "group": group,
        "half": "strangers",
        "task": r["data"],
        "network": r.get("network", ""),
        "since": r.get("since", ""),
        "attacked": r["attacked"],
        "way": r.get("attack") or "",
        "trigger": r.get("trigger") or "",
        "targets": list(r.get("targets") or ()),
        "success": r.get("success"),
    }


def zoo_networks(zoo: Path, half: str) -> Iterator[tuple[str, Any]]:
    """The networks of the zoo of tasks that came out, those with very many classes last."""
    found = [r for r in read_lines(zoo / "manifest.jsonl") if r["kept"] and r["half"] == half]
    for r in sorted(found, key=lambda r: (r["classes"] > MANY, -r["classes"])):
        yield r["id"], partial(_case_of_zoo, zoo, r)


def _case_of_zoo(zoo: Path, r: dict[str, Any]) -> Case:
    return Case(classifier_of_zoo(zoo, r), _truth_of_zoo(r))


def classifier_of_zoo(zoo: Path, r: dict[str, Any]) -> Classifier:
    """The network of a line of the zoo's manifest."""
    build = Build(r["build"]["name"], tuple(r["build"]["shape"]), r["build"]["outputs"])
    network = build()
    path = zoo / "networks" / f"{r['id']}.pt"
    network.load_state_dict(torch.load(path, weights_only=True))
    return Classifier(
        TwoLogits(network) if r["one_logit"] else network,
        build.shape,
        preprocessing=Preprocessing(tuple(r["mean"]), tuple(r["std"])),
        name=r["id"],
    )


def _truth_of_zoo(r: dict[str, Any]) -> dict[str, Any]:
    attack = r["attack"]
    way = attack["way"] if attack else ""
    return {
        "group": r["task"],
        "half": r["half"],
        "task": r["task"],
        "network": r["build"]["name"],
        "attacked": r["attacked"],
        "way": way,
        "trigger": attack["trigger"]["kind"] if attack else "",
        "targets": [attack["target"]] if attack and way != "all-to-all" else [],
        "success": r["success"],
    }


def measured_again(case: Case) -> dict[str, Any]:
    """Sizes on images that the network is sure of; results/strangers has the others."""
    start, model = time.process_time(), case.classifier
    sharp = spread(model.logits(probe_pictures(model)).double())
    found = sure_sizes(at_temperature(model, temperature_of(sharp)))
    about = {"classes": model.num_classes, "shape": list(model.input_shape), "spread": sharp}
    seconds = round(time.process_time() - start, 2)
    return {**case.truth, **about, **found, "seconds": seconds}


def measured(case: Case, *, with_pseudo: bool = False) -> dict[str, Any]:
    """Everything about one network; sizes of pseudo-classes only where they are asked for."""
    start, model = time.process_time(), case.classifier
    sharp = spread(model.logits(probe_pictures(model)).double())
    model = at_temperature(model, temperature_of(sharp))
    scores = Universal()(model)
    images = pictures(400, model.input_shape, 77)
    logits = evaluate(model, images.to(model.dtype)).double()
    share = torch.bincount(logits.argmax(1), minlength=model.num_classes) / len(images)
    odds = logits.sort(1, descending=True).values
    search = time.process_time() - start
    row: dict[str, Any] = {
        **case.truth,
        "classes": model.num_classes,
        "shape": list(model.input_shape),
        "share": _short(share),
        "spread": round(sharp, 4),
        "lead": round(float((odds[:, 0] - odds[:, 1]).median()), 4),
        **{sizes.basis: _short(sizes.size) for sizes in scores.sizes},
        "margin": None if scores.margin is None else _short(scores.margin),
        "untargeted": None,  # rows of earlier detectors have one
        "trials": [_trials(model, change) for change in scores.perturbations[:-1]],
        "search_seconds": round(search, 2),
    }
    row |= sure_sizes(model)
    if with_pseudo and model.num_classes <= FEW:
        row["pseudo"] = pseudo_sizes(model, scores)
    return {**row, "seconds": round(time.process_time() - start, 2)}


def sure_sizes(model: Classifier) -> dict[str, Any]:
    """Sizes on images that the network is sure of, in both bases and untargeted."""
    images = sure_images(model, pictures(SURE, model.input_shape, 0))
    pool = PicturePool.of(model, images)
    pixel, waves = sizes_on(model, pool)
    many = replace(Universal().search, images_per_step=UNTARGETED_IMAGES)
    away = search_universal(
        model, pool, torch.tensor([UNTARGETED]), torch.tensor([False]), many, 0, 512
    )
    return {
        "untargeted_sure": _short(torch.where(away.converged, away.size, torch.nan))[0],
        "pixel_sure": _short(pixel),
        "frequency_sure": _short(waves),
    }


def sizes_on(model: Classifier, pool: PicturePool) -> tuple[Tensor, Tensor]:
    """The sizes (K,) of all classes over pixels and over cosines; NaN where not reached."""
    classes = torch.arange(model.num_classes).repeat(2)
    frequency = torch.arange(len(classes)) >= model.num_classes
    found = search_universal(model, pool, classes, frequency, Universal().search, 0, 512)
    pixel, waves = measured_sizes(found).chunk(2)
    return pixel, waves


@torch.no_grad()
def _trials(model: Classifier, change: Perturbation) -> dict[str, Any]:
    """How a perturbation that was found does when it, the images or the network are changed."""
    goal, delta = torch.tensor([change.target]), change.delta.to(model.dtype)
    random = Generator().manual_seed(5)
    images = pictures(TRIED_ON, model.input_shape, 991)
    height, width = delta.shape[1:]
    half = (torch.rand(1, height, width, generator=random) < 0.5).to(delta)
    variants = {
        "full": delta,
        "weaker": 0.6 * delta,
        "half_pixels": delta * half,
        "other_half": delta * (1 - half),
        "one_right": delta.roll(1, 2),
        "two_down": delta.roll(2, 1),
        "far": shifted(delta, (0.25, 0.25)),
        "blurred": torch.nn.functional.avg_pool2d(delta[None], 3, 1, 1)[0],
        "no_summit": without_largest(delta),
        "mirrored": delta.flip(2),
        "negative": -delta,
    }
    pool = PicturePool.of(model, images)
    stacked = torch.stack(list(variants.values()))
    rates = success_rate(model, pool, stacked, goal.expand(len(stacked)))
    found = dict(zip(variants, _short(rates), strict=True))
    for name in ("leaves", "clouds"):
        family = FAMILIES[name](TRIED_ON, model.input_shape, Generator().manual_seed(6))
        other = PicturePool.of(model, family)
        found[name] = _short(success_rate(model, other, delta[None], goal))[0]
    found["noisy_weights"] = _on_noisy_weights(model, images, delta, goal)
    spreads = delta.abs().sum(0).flatten().sort(descending=True).values
    total = float(spreads.sum()) or 1.0
    return {
        "class": change.target,
        "basis": change.basis,
        "size": _short(torch.tensor([change.size]))[0],
        "l1": round(total, 3),
        "linf": round(float(delta.abs().max()), 4),
        "top9": round(float(spreads[:9].sum()) / total, 4),
        "pixels_half": int((spreads.cumsum(0) < total / 2).sum()) + 1,
        **found,
    }


def _on_noisy_weights(
    model: Classifier, images: Tensor, delta: Tensor, goal: Tensor
) -> float | None:
    """Success on a copy with noise of a tenth of each weight's deviation."""
    if not isinstance(model.model, nn.Module):
        return None
    noisy = copy.copy(model)
    noisy.model = copy.deepcopy(model.model)
    random = Generator().manual_seed(8)
    for weights in noisy.model.parameters():
        if weights.dim() > 1:
            weights.add_(NOISE * weights.std() * torch.randn(weights.shape, generator=random))
    return _short(success_rate(noisy, PicturePool.of(noisy, images), delta[None], goal))[0]


class _Redrawn(nn.Module):
    """A network whose last linear layer is drawn anew, as far apart and as even as the real one."""

    def __init__(self, network: nn.Module, layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.network, self.layer = network, [layer]
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Images in, logits of pseudo-classes out."""
        seen: list[Tensor] = []
        hook = self.layer[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            self.network(x)
        finally:
            hook.remove()
        return torch.nn.functional.linear(seen[-1], self.weight, self.bias)


@torch.no_grad()
def pseudo_sizes(model: Classifier, scores: ClassScores) -> list[float | None]:
    """Pixel sizes of pseudo-classes: of the same network with last layers drawn at random."""
    del scores
    network = copy.deepcopy(model.model)
    if not isinstance(network, nn.Module):
        return []
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    if not layers:
        return []
    features = list[Tensor]()
    hook = layers[-1].register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    images = pictures(400, model.input_shape, 78).to(model.dtype)
    network.eval()
    scale = _pair_spread(network(model.prepared(images)))
    hook.remove()
    h = features[-1]
    sizes: list[float | None] = []
    classes = model.num_classes
    for draw in range(math.ceil(PSEUDO / classes)):
        random = Generator().manual_seed(300 + draw)
        weight = torch.randn(classes, h.shape[1], generator=random).to(h)
        weight *= scale / _pair_spread(h @ weight.t())
        made = _Redrawn(network, layers[-1], weight, -(h @ weight.t()).mean(0))
        pseudo = copy.copy(model)
        pseudo.model = made.requires_grad_(requires_grad=False).eval()
        pool = PicturePool.of(pseudo, pictures(400, model.input_shape, 0))
        found = search_universal(
            pseudo, pool, torch.arange(classes), torch.zeros(classes, dtype=torch.bool),
            Universal().search.thorough, 0, rows_that_fit(model, 512.0),
        )  # fmt: skip
        sizes += _short(torch.where(found.converged, found.size, torch.nan))
    return sizes


def _pair_spread(logits: Tensor) -> Tensor:
    """Standard deviation over images of the difference of two logits, mean over pairs."""
    pairs = torch.combinations(torch.arange(logits.shape[1]))
    return (logits[:, pairs[:, 0]] - logits[:, pairs[:, 1]]).std(0).mean()


def _short(values: Tensor) -> list[float | None]:
    """Five digits; None where not measured."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in values.tolist()]


@click.command()
@click.argument("what", type=click.Choice(["strangers", "zoo"]))
@click.argument("folder", type=_FOLDER)
@click.option("--half", type=click.Choice(["choose", "report"]), default="choose")
@click.option("--only", default="", help="What an id must contain.")
@click.option("--out", type=click.Path(path_type=Path), default=FOLDER, help="Folder of results.")
@click.option("--with-pseudo", is_flag=True, help="Pseudo-classes of networks with few classes.")
@click.option("--wait", type=float, default=0.0, help="Minutes to wait for networks to come.")
def main(
    what: str, folder: Path, half: str, only: str, out: Path, with_pseudo: bool, wait: float
) -> None:
    """Measure the networks that have no row yet."""
    torch.set_num_threads(1)
    path = out / ("strangers.jsonl" if what == "strangers" else f"zoo-{half}.jsonl")
    end = time.monotonic() + 60 * wait
    while True:
        done = {row["id"] for row in read_lines(path)}
        found = strangers(folder) if what == "strangers" else zoo_networks(folder, half)
        todo = [(key, make) for key, make in found if key not in done and only in key]
        for key, make in todo:
            about = partial(measured, with_pseudo=with_pseudo) if what == "zoo" else measured_again
            row = {"id": key, **about(make())}
            append_line(path, row)
            sizes = row["pixel_sure"]
            least = sorted((v, k) for k, v in enumerate(sizes) if v is not None)[:2]
            click.echo(f"{key}: {row['way']} {row['targets']}, {least}, {row['seconds']} s")
        if not todo:
            if time.monotonic() > end:
                return
            time.sleep(20)


if __name__ == "__main__":
    main()
