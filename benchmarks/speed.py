"""How fast is a scan? Side by side with the published algorithm, in one run.

    python -m benchmarks.speed --zoo FOLDER [SECTION...]

FOLDER holds the published zoos (``triggerfish zoo clean``, ``zoo backdoor``). Sections:

    side-by-side   published loop, our searches and MM-BD on the same models, in turn
    throughput     models a minute of the whole machine: processes against threads, busy or not
    models         time of 1 to 100 files in two processes
    peak           fraction of the machine's matrix-product rate
    input-gradient our gradient of the first convolution against the library's
    compiled       what torch.compile gains, and what it costs first
    growth         time and memory with classes, pixels, models and baselines

Results go to benchmarks/results/speed.json; ``python -m benchmarks.tables`` turns them into
docs/performance.md. Times on a shared machine vary: read the ratios.
"""

from __future__ import annotations

import copy
import multiprocessing
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import classifiers, record, timed, zoo_models
from benchmarks.growth import growth
from benchmarks.neural_cleanse import neural_cleanse, procedural_images
from benchmarks.prototype import minimize_norm_by_adam
from benchmarks.published_sequential import search_all
from triggerfish.api import scan_files
from triggerfish.detectors.ensemble import Ensemble
from triggerfish.detectors.l1_weight import L1Weight
from triggerfish.detectors.min_norm import MinNorm
from triggerfish.detectors.mm_bd import MMBD
from triggerfish.loading import load_classifier
from triggerfish.model.classifier import Classifier
from triggerfish.model.input_convolution import with_fast_input_gradient
from triggerfish.runtime import keep_freed_memory
from triggerfish.search.activation_maximization import OBJECTIVES, objective_and_gradient


def prototype(classifier: Classifier) -> None:
    """The recipe before this one: 150 steps of Adam, four baselines."""
    levels = torch.tensor((0.0, 0.3, 0.5, 1.0)).repeat_interleave(classifier.num_classes)
    baseline = levels.view(-1, 1, 1, 1).expand(-1, *classifier.input_shape).contiguous()
    target = torch.arange(classifier.num_classes).repeat(4)
    minimize_norm_by_adam(classifier, baseline, target, 9.21)


def on_pictures(classifier: Classifier) -> None:
    """Neural Cleanse, which needs images, on synthetic images."""
    neural_cleanse(classifier, procedural_images(classifier, 100))


METHODS: dict[str, Callable[[Classifier], object]] = {
    "published loop": search_all,
    "l1-weight, 32 halvings": lambda c: L1Weight()(c),
    "l1-weight, until decided": lambda c: L1Weight(decide_at=3.5)(c),
    "prototype of min-norm": prototype,
    "min-norm, one run": lambda c: MinNorm(restarts=1)(c),
    "min-norm": lambda c: MinNorm()(c),
    "mm-bd": lambda c: MMBD()(c),
    "default scan": lambda c: Ensemble()(c),
    "default scan, --fast": lambda c: Ensemble(fast=True)(c),
    "neural cleanse, 100 synthetic images": on_pictures,
}


def side_by_side(zoo: Path, count: int) -> None:
    """One core, every method on every model in turn; the ratios are taken model by model."""
    torch.set_num_threads(1)
    keep_freed_memory()
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for classifier in classifiers(zoo_models(zoo, ("clean", "backdoor"), count)):
        for name, method in METHODS.items():
            seconds[name].append(timed(lambda m=method, c=classifier: m(c))[0])  # type: ignore[misc]
            click.echo(f"{name:28} {seconds[name][-1]:8.2f} s", err=True)
    base = seconds["published loop"]
    record(
        "speed",
        "side-by-side",
        {
            name: {
                "seconds": statistics.median(values),
                "times_faster": statistics.median(b / v for b, v in zip(base, values, strict=True)),
                "models": len(values),
            }
            for name, values in seconds.items()
        },
    )


def _spin(stop: float) -> None:
    """Keep one core busy."""
    import time

    end = time.perf_counter() + stop
    while time.perf_counter() < end:
        sum(range(10_000))


def throughput(zoo: Path, count: int) -> None:
    """Whole min-norm scans of files: threads and processes, the machine free and half taken."""
    paths = zoo_models(zoo, ("clean", "backdoor"), count)
    rows = []
    for busy in (False, True):
        for processes, threads in ((1, 1), (1, 2), (2, 1)):
            other = multiprocessing.get_context("spawn").Process(target=_spin, args=(3600,))
            if busy:
                other.start()
            torch.set_num_threads(threads)
            seconds, _ = timed(lambda p=processes: list(scan_files(paths, jobs=p)))  # type: ignore[misc]
            if busy:
                other.kill()
                other.join()
            row = {
                "processes": processes,
                "threads": threads,
                "one_core_taken": busy,
                "models": len(paths),
                "seconds_per_model": seconds / len(paths),
            }
            click.echo(str(row), err=True)
            rows.append(row)
    record("speed", "throughput", rows)


def peak(zoo: Path) -> None:
    """FLOP/s of a step and of a whole scan against a large matrix product, one core."""
    torch.set_num_threads(1)
    keep_freed_memory()
    classifier = load_classifier(zoo_models(zoo, ("clean",), 1)[0])
    target = torch.arange(10).repeat(4)
    images = torch.rand(40, *classifier.input_shape)

    def step() -> object:
        return objective_and_gradient(classifier, images, target, OBJECTIVES["log-odds"])

    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    a, b = torch.rand(1536, 1536), torch.rand(1536, 1536)
    rates: dict[str, list[float]] = {"product": [], "step": [], "scan": []}
    config = MinNorm()
    searches = len(config.baselines) * config.restarts * classifier.num_classes
    scan_flops = flops / 40 * searches * (config.schedule.steps + 1)  # and the last look
    for _ in range(7):
        rates["product"].append(2 * 1536**3 / timed(lambda: a @ b)[0])
        rates["step"].append(flops / timed(step)[0])
        rates["scan"].append(scan_flops / timed(lambda: config(classifier))[0])
    median = {name: statistics.median(values) / 1e9 for name, values in rates.items()}
    record(
        "speed",
        "peak",
        {
            "flops_per_row_step": flops / 40,
            "gflops": median,
            "step_fraction": median["step"] / median["product"],
            "scan_fraction": median["scan"] / median["product"],
        },
    )


def models(zoo: Path) -> None:
    """Whole scans of 1, 10 and 100 files, two processes of one thread; files repeat if few."""
    paths = zoo_models(zoo, ("clean", "backdoor"), 50)
    rows = []
    for count in (1, 10, 100):
        files = (paths * count)[:count]
        seconds, _ = timed(lambda f=files: list(scan_files(f, jobs=2)))  # type: ignore[misc]
        rows.append({"models": count, "seconds": seconds})
        click.echo(str(rows[-1]), err=True)
    record("speed", "models", rows)


def input_gradient() -> None:
    """Milliseconds of the two gradients of first convolutions, one core, 80 images."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = []
    for channels, outputs, kernel, stride, side in (
        (1, 32, 3, 1, 28), (1, 6, 5, 1, 28), (3, 16, 3, 1, 32), (3, 64, 7, 2, 64),
    ):  # fmt: skip
        plain = torch.nn.Conv2d(channels, outputs, kernel, stride, kernel // 2)
        plain.requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        ours = with_fast_input_gradient(torch.nn.Sequential(copy.deepcopy(plain)))
        x = torch.rand(80, channels, side, side).to(memory_format=torch.channels_last)
        x.requires_grad_()
        direction = torch.randn_like(plain(x))
        seconds: list[list[float]] = [[], []]
        for _ in range(11):
            for which, layer in enumerate((plain, ours)):
                took, _ = timed(partial(torch.autograd.grad, layer(x), x, direction))
                seconds[which].append(took)
        library, own = (1e3 * statistics.median(values) for values in seconds)
        layer_name = f"{channels} -> {outputs}, {kernel}x{kernel}, stride {stride}, {side}x{side}"
        rows.append({"layer": layer_name, "library_ms": library, "ours_ms": own})
        click.echo(str(rows[-1]), err=True)
    record("speed", "input-gradient", rows)


def compiled(zoo: Path) -> None:
    """A gradient step of 80 rows, eager and through torch.compile, one core."""
    torch.set_num_threads(1)
    keep_freed_memory()
    plain = load_classifier(zoo_models(zoo, ("clean",), 1)[0])
    assert isinstance(plain.model, torch.nn.Module)
    fast = Classifier(
        torch.compile(plain.model), plain.input_shape, preprocessing=plain.preprocessing
    )
    target = torch.arange(10).repeat(8)
    images = torch.rand(80, *plain.input_shape)

    def step(classifier: Classifier) -> object:
        return objective_and_gradient(classifier, images, target, OBJECTIVES["log-odds"])

    first = timed(lambda: step(fast))[0]
    step(plain)
    pairs = [(timed(lambda: step(plain))[0], timed(lambda: step(fast))[0]) for _ in range(15)]
    eager, compiled = (statistics.median(column) for column in zip(*pairs, strict=True))
    record(
        "speed",
        "compiled",
        {"first_seconds": first, "eager_step": eager, "compiled_step": compiled},
    )


@click.command()
@click.argument("sections", nargs=-1)
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--count", type=int, default=2, show_default=True, help="Models of each kind.")
def main(sections: tuple[str, ...], zoo: Path, count: int) -> None:
    """Measure the named sections, or all."""
    runs: dict[str, Callable[[], None]] = {
        "side-by-side": lambda: side_by_side(zoo, count),
        "throughput": lambda: throughput(zoo, max(count, 4)),
        "models": lambda: models(zoo),
        "peak": lambda: peak(zoo),
        "input-gradient": input_gradient,
        "compiled": lambda: compiled(zoo),
        "growth": growth,
    }
    for name in sections or tuple(runs):
        runs[name]()


if __name__ == "__main__":
    main()
