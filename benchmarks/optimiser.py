"""How good are the norms? Ours at several lengths against the prototype, on the same models.

    python -m benchmarks.optimiser --zoo FOLDER [--count 10]

For every row (class, baseline) the least norm that any run found is the yardstick; a run's excess
is log(its norm / the least). Beside it, what the norms are for: the separation of attacked targets
from clean models, as the gap between the smallest statistic of a target and the largest of a clean
model. Results: benchmarks/results/optimiser.json.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor

from benchmarks.common import classifiers, record, timed, zoo_models
from benchmarks.prototype import minimize_norm_by_adam
from triggerfish.detectors.min_norm import MinNorm, combined, log_ratios
from triggerfish.model.classifier import Classifier
from triggerfish.runtime import keep_freed_memory
from triggerfish.search.minimum_norm import Schedule, minimize_norm
from triggerfish.zoo.manifest import read_manifest

LEVELS = (0.0, 0.3, 0.5, 1.0)
STEPS = (15, 30, 60, 200)

Minimizer = Callable[[Classifier, Tensor, Tensor], Tensor]


def _ours(steps: int) -> Minimizer:
    return lambda c, b, y: minimize_norm(c, b, y, 9.21, Schedule(steps=steps)).norm


def _two_runs(classifier: Classifier, baseline: Tensor, target: Tensor) -> Tensor:
    """As the detector does it: the second run from noise around the baseline."""
    noise = torch.rand(classifier.input_shape, generator=torch.Generator().manual_seed(0))
    start = (baseline + MinNorm().jitter * (2 * noise - 1)).clamp(0, 1)
    first = minimize_norm(classifier, baseline, target, 9.21)
    return first.or_better(minimize_norm(classifier, baseline, target, 9.21, start=start)).norm


def _adam(steps: int) -> Minimizer:
    return lambda c, b, y: minimize_norm_by_adam(c, b, y, 9.21, steps=steps)


METHODS: dict[str, Minimizer] = {
    **{f"linear programs, {steps} steps": _ours(steps) for steps in STEPS},
    "linear programs, 30 steps, two runs": _two_runs,
    **{f"prototype, {steps} steps": _adam(steps) for steps in (150, 400)},
}


def statistic(norm: Tensor) -> Tensor:
    """The detector's statistic (K,), from norms (B, K)."""
    floor = MinNorm().norm_floor
    return combined(torch.stack([log_ratios(row.double(), floor) for row in norm]))


@click.command()
@click.option("--zoo", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--count", type=int, default=10, show_default=True, help="Models of each folder.")
def main(zoo: Path, count: int) -> None:
    """Run every method on the same rows."""
    torch.set_num_threads(1)
    keep_freed_memory()
    paths = zoo_models(zoo, ("clean", "backdoor", "dynamic"), count)
    targets = [read_manifest(path.parent)[path.name].targets for path in paths]
    norms: dict[str, list[Tensor]] = {name: [] for name in METHODS}
    seconds = dict.fromkeys(METHODS, 0.0)
    for path, model in zip(paths, classifiers(paths), strict=True):
        rows = torch.tensor(LEVELS).repeat_interleave(model.num_classes)
        baseline = rows.view(-1, 1, 1, 1).expand(-1, *model.input_shape).contiguous()
        target = torch.arange(model.num_classes).repeat(len(LEVELS))
        for name, method in METHODS.items():
            took, norm = timed(lambda m=method, c=model, b=baseline, y=target: m(c, b, y))  # type: ignore[misc]
            norms[name].append(norm.view(len(LEVELS), -1))
            seconds[name] += took
        click.echo(path.name, err=True)
    least = torch.stack([torch.stack(runs) for runs in norms.values()]).amin(0)
    summary = {name: _summary(torch.stack(runs), least, targets) for name, runs in norms.items()}
    for name, found in summary.items():
        found["seconds_per_model"] = seconds[name] / len(paths)
        click.echo(f"{name:30} {found}")
    record("optimiser", "methods", summary)
    record("optimiser", "models", len(paths))


def _summary(norms: Tensor, least: Tensor, targets: list[tuple[int, ...]]) -> dict[str, object]:
    """Excess over the least norms, and the separation, of norms (models, B, K)."""
    usable = (least > 1e-6) & norms.isfinite()
    excess = (norms[usable] / least[usable]).log()
    scores = [statistic(norm) for norm in norms]
    clean = [float(s.max()) for s, t in zip(scores, targets, strict=True) if not t]
    attacked = [float(s[list(t)].max()) for s, t in zip(scores, targets, strict=True) if t]
    return {
        "mean_excess": float(excess.mean()),
        "excess_95": float(excess.quantile(0.95)),
        "not_reached": float((norms.isinf() & least.isfinite()).double().mean()),
        "largest_clean": max(clean),
        "smallest_attacked": min(attacked),
    }


if __name__ == "__main__":
    main()
