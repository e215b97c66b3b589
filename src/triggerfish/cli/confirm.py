"""``triggerfish confirm``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.exit_codes import CLEAN, FLAGGED, INCONCLUSIVE
from triggerfish.cli.one_reading import open_one
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import echo, track
from triggerfish.codec.plain import plain_of
from triggerfish.confirmation import confirm
from triggerfish.files import sha256_of
from triggerfish.model.classifier import Classifier
from triggerfish.reports.confirmations import confirmation_in_full, says_nothing
from triggerfish.reports.reasons import is_written_again, loading_words, repaired_name
from triggerfish.results import Confirmation
from triggerfish.runtime import use_one_thread

CODES = {"confirmed": FLAGGED, "unclear": INCONCLUSIVE, "refuted": CLEAN}


@click.command("confirm")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--class",
    "targets",
    type=click.IntRange(0),
    multiple=True,
    required=True,
    metavar="CLASS",
    help="Class to test; repeat for more.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What goes to stdout.",
)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
@loading_options
@click.pass_context
def confirm_command(
    ctx: click.Context,
    /,
    model: Path,
    targets: tuple[int, ...],
    output_format: str,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Test a class that a scan has flagged, on new images.

    The test searches the pattern for the class again, with other images and seeds. It then compares
    it with equally small patterns for other classes. docs/repair.md says what the results mean.

    Exits with 1 when a class passes, with 3 when one is unclear or has no result, with 0 when all
    fail. A class that fails does not make the model clean.
    """
    use_one_thread()
    classifier = open_one(model, take_load_options(values))
    if wrong := [k for k in targets if k >= classifier.num_classes]:
        raise click.UsageError(
            f"--class {wrong[0]}: the classes are 0 to {classifier.num_classes - 1}"
        )
    confirmations = track(
        (confirm(classifier, k, seed=seed) for k in targets), len(targets), "confirming"
    )
    grades = []
    for piece, grade in _pieces(confirmations, model, output_format):
        grades.append(grade)
        echo(piece, nl=False)
    worst = next(g for g in CODES if g in grades)
    if output_format == "text":
        passed = [k for k, grade in zip(targets, grades, strict=True) if grade == "confirmed"]
        echo(_what_now(model, classifier, passed))
    ctx.exit(CODES[worst])


def _grade(confirmation: Confirmation) -> str:
    """What the exit code goes by: a test that found nothing refutes nothing."""
    return "unclear" if says_nothing(confirmation) else confirmation.grade


def _what_now(model: Path, classifier: Classifier, passed: Sequence[int]) -> str:
    """A repair of the classes that passed, where it can be written; else what this leaves open."""
    if not passed:
        return "A test that does not pass does not make the model clean."
    if not is_written_again(model, classifier.facts):
        return "A repair cannot write this file: save the network's state_dict() alone for one."
    words = [str(model), *loading_words(classifier.assumptions, classifier.facts)]
    classes = " ".join(f"--class {k}" for k in passed)
    return f"next: triggerfish repair {shlex.join(words)} {classes} --out {repaired_name(model)}"


def _pieces(
    confirmations: Iterator[Confirmation], model: Path, output_format: str
) -> Iterator[tuple[str, str]]:
    if output_format == "text":
        for confirmation in confirmations:
            yield confirmation_in_full(confirmation), _grade(confirmation)
        return
    about = {"schema_version": 1, "path": str(model), "sha256": sha256_of(model)}
    for confirmation in confirmations:
        plain = {**about, **plain_of(confirmation)}
        yield json.dumps(plain, allow_nan=False) + "\n", _grade(confirmation)
