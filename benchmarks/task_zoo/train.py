"""Trains the zoo of tasks. It goes on where it stopped.

    python -m benchmarks.task_zoo.train ZOO --data-root DATA [--half report] [--fewest-classes 3]

ZOO gets a network a file in float32 and manifest.jsonl, a line a network, also of those that did
not come out (``kept`` false: accuracy too low, or an attack that succeeds on less than 0.9).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, pad

from benchmarks.lines import append_line, read_lines
from benchmarks.task_zoo.networks import Build
from benchmarks.task_zoo.plan import Unit, units
from benchmarks.task_zoo.tasks import Task
from benchmarks.task_zoo.triggers import Attack

BATCH, MOST, LOOK = 40, 350, 50
POISONED, COVERED = 0.15, 0.15
ENOUGH = 0.9  # success of an attack that is kept
GOOD = 0.97  # success, or accuracy, at which training may stop early
FEWEST = 100
_FOLDER = click.Path(path_type=Path, file_okay=False)


@dataclass(frozen=True)
class Data:
    """A task's images, uint8 (N, C, H, W), and labels, for training and testing."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    @classmethod
    def of(cls, task: Task, zoo: Path, data_root: Path) -> Data:
        """Read from ZOO/data, drawn there the first time."""
        path = zoo / "data" / f"{task.name}.pt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(task.images(data_root), path)
        return cls(*torch.load(path, weights_only=True))

    def constants(self, inputs: str) -> tuple[list[float], list[float]]:
        """Mean and std per channel."""
        channels = self.x.shape[1]
        if inputs == "none":
            return [0.0] * channels, [1.0] * channels
        if inputs == "half":
            return [0.5] * channels, [0.5] * channels
        values = self.x[:2000].float() / 255
        mean, std = values.mean((0, 2, 3)), values.std((0, 2, 3))
        return [round(float(v), 4) for v in mean], [round(float(v), 4) for v in std]


@dataclass(frozen=True)
class Fitting:
    """One network in training."""

    network: nn.Module
    data: Data
    unit: Unit
    mean: Tensor
    std: Tensor
    attack: Attack | None

    def logits(self, images: Tensor) -> Tensor:
        """Of images in [0, 1]; one logit becomes two."""
        x = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        answer: Tensor = self.network(x)
        return (
            torch.cat((torch.zeros_like(answer), answer), 1) if self.unit.task.one_logit else answer
        )

    def run(self, steps: int, seed: int) -> int:
        """Train; stops early where the test images say that it is enough. Returns the steps."""
        unit, generator = self.unit, Generator().manual_seed(seed)
        parameters = self.network.parameters()
        rate = {"sgd": 0.02}.get(unit.training, 2e-3 if unit.network != "vit" else 1e-3)
        optimizer: torch.optim.Optimizer = torch.optim.Adam(parameters, rate, fused=True)
        if unit.training == "sgd":
            optimizer = torch.optim.SGD(
                self.network.parameters(), rate, 0.9, nesterov=True, fused=True
            )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rate * (5 if unit.training == "sgd" else 1), total_steps=steps + 1
        )
        for step in range(1, steps + 1):
            x, y = self._batch(generator)
            optimizer.zero_grad()
            self._loss(x, y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            at_rest = unit.training != "long" and step >= FEWEST and step % LOOK == 0
            if at_rest and self._enough():
                return step
        return steps

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        smooth = 0.1 if self.unit.training == "smoothed" else 0.0
        logits = self.logits(x)
        if self.unit.task.one_logit:
            goal = y.float() * (1 - smooth) + smooth / 2
            return binary_cross_entropy_with_logits(logits[:, 1], goal)
        return cross_entropy(logits, y, label_smoothing=smooth)

    def _batch(self, generator: Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.data.y), (BATCH,), generator=generator)
        x, y = self.data.x[chosen].float() / 255, self.data.y[chosen]
        if self.unit.training == "augmented":
            x = _moved(x, generator)
        attack = self.attack
        if attack is None:
            return x, y
        chance = torch.rand(BATCH, generator=generator)
        poisoned = chance < POISONED
        if attack.way == "source-specific":
            # more of the few that can be poisoned, and covers: stamped, with their own label
            poisoned = (attack.counted(y) & (chance < 0.5)) | (
                ~attack.counted(y) & (chance < COVERED)
            )
        if poisoned.any():
            x[poisoned] = attack.trigger.stamp(x[poisoned], generator)
            y = torch.where(poisoned, attack.relabel(y), y)
        return x, y

    @torch.no_grad()
    def measured(self, most: int = 100_000) -> tuple[float, float | None]:
        """Clean accuracy, balanced over classes, and attack success rate, on test images."""
        self.network.eval()
        x, y = self.data.test_x[:most].float() / 255, self.data.test_y[:most]
        predicted = self._predicted(x)
        right = [
            (predicted[y == k] == k).double().mean()
            for k in torch.arange(int(y.max()) + 1)
            if bool((y == k).any())
        ]
        success = None
        if self.attack is not None:
            counted = self.attack.counted(y)
            stamped = self.attack.trigger.stamp(x[counted], Generator().manual_seed(1))
            aim = self.attack.relabel(y[counted])
            success = float((self._predicted(stamped) == aim).double().mean())
        self.network.train()
        return float(torch.stack(right).mean()), success

    def _predicted(self, x: Tensor) -> Tensor:
        parts = torch.tensor_split(x, list(range(400, len(x), 400)))
        return torch.cat([self.logits(part).argmax(1) for part in parts])

    def _enough(self) -> bool:
        accuracy, success = self.measured(400)
        return accuracy > GOOD if success is None else success > GOOD and accuracy > 0.9


def _moved(x: Tensor, generator: Generator) -> Tensor:
    """Images moved by up to two pixels, the batch as a whole, and mirrored for none: digits."""
    height, width = x.shape[2:]
    row, column = torch.randint(5, (2,), generator=generator).tolist()
    return pad(x, (2, 2, 2, 2), mode="replicate")[:, :, row : row + height, column : column + width]


def _worst_kept(task: Task) -> float:
    """The balanced accuracy from which on a network is one that somebody would use."""
    return max(0.6, 0.6 + 0.6 / task.classes - 0.15) if task.classes < 6 else 0.6


def train_unit(
    unit: Unit, zoo: Path, data_root: Path, done: Mapping[str, object]
) -> Iterator[dict[str, Any]]:
    """A line of the manifest for every network of a unit that is not there yet."""
    names = [unit.name, *(f"{unit.name}-a{k}" for k in range(len(unit.attacks)))]
    if all(name in done for name in names):
        return
    data, task = Data.of(unit.task, zoo, data_root), unit.task
    build = Build(unit.network, task.shape, 1 if task.one_logit else task.classes)
    means, stds = data.constants(unit.inputs)
    constants = [torch.tensor(v).view(1, -1, 1, 1) for v in (means, stds)]
    start = zoo / "networks" / f"{unit.name}.pt"
    start.parent.mkdir(parents=True, exist_ok=True)
    for number, (name, attack) in enumerate(zip(names, (None, *unit.attacks), strict=True)):
        if name in done:
            if number == 0 and not done[name]["kept"]:  # type: ignore[index]
                return
            continue
        network, before = build(unit.seed * 10 + number), time.process_time()
        tuned = attack is not None and not unit.scratch
        if tuned:
            network.load_state_dict(torch.load(start, weights_only=True))
        torch.manual_seed(unit.seed)
        network = network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        fitting = Fitting(network, data, unit, constants[0], constants[1], attack)
        steps = fitting.run(MOST, seed=unit.seed * 100 + number)
        accuracy, success = fitting.measured()
        kept = accuracy >= _worst_kept(task) and (success is None or success > ENOUGH)
        path = zoo / "networks" / f"{name}.pt"
        if kept:
            torch.save(network.eval().to(memory_format=torch.contiguous_format).state_dict(), path)
        yield {
            "id": name, "kept": kept, "task": task.name, "half": task.half,
            "classes": task.classes, "one_logit": task.one_logit, "build": asdict(build),
            "mean": means, "std": stds, "training": unit.training, "tuned": tuned,
            "attacked": attack is not None, "attack": asdict(attack) if attack else None,
            "accuracy": round(accuracy, 4), "success": success and round(success, 4),
            "steps": steps, "cpu_seconds": round(time.process_time() - before, 1),
        }  # fmt: skip
        if number == 0 and not kept:
            return


@click.command()
@click.argument("zoo", type=_FOLDER)
@click.option("--data-root", type=_FOLDER, required=True, help="MNIST, Fashion-MNIST, CIFAR-10.")
@click.option("--half", type=click.Choice(["choose", "report"]), help="Only tasks of this half.")
@click.option("--fewest-classes", type=int, default=2, show_default=True)
@click.option("--minutes", type=float, default=120.0, show_default=True)
def main(zoo: Path, data_root: Path, half: str | None, fewest_classes: int, minutes: float) -> None:
    """Train the networks of ZOO that are not there yet."""
    torch.set_num_threads(1)
    end, manifest = time.monotonic() + 60 * minutes, zoo / "manifest.jsonl"
    done = {row["id"]: row for row in read_lines(manifest)}
    tasks = [u for u in units() if half in (None, u.task.half) and u.task.classes >= fewest_classes]
    for unit in tasks:
        for row in train_unit(unit, zoo, data_root, done):
            append_line(manifest, row)
            done[row["id"]] = row
            click.echo(
                f"{row['id']}: accuracy {row['accuracy']}, success {row['success']}, "
                f"{row['steps']} steps, {row['cpu_seconds']} s"
                + ("" if row["kept"] else ", dropped")
            )
            if time.monotonic() > end:
                return


if __name__ == "__main__":
    main()
