"""``triggerfish repair``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from triggerfish.cli.one_reading import open_one
from triggerfish.cli.options import loading_options, take_load_options
from triggerfish.cli.progress import track
from triggerfish.cli.repair_report import conclusions, repair_page, repair_table
from triggerfish.errors import NothingToRepairError
from triggerfish.files import ensure_writable, sha256_of, write_file
from triggerfish.repairs import METHODS, Unlearning
from triggerfish.repairs.place import Place
from triggerfish.repairs.program import record_of_cuts, repair_program
from triggerfish.repairs.record import record_of
from triggerfish.repairs.repair import repair
from triggerfish.repairs.saving import rewritten
from triggerfish.reports.reasons import loading_words
from triggerfish.results import Scanned
from triggerfish.runs.paths import scan_opened
from triggerfish.runtime import use_one_thread
from triggerfish.scanning import ScanConfig
from triggerfish.structure.opening import open_any
from triggerfish.structure.readers import carries_program
from triggerfish.structure.weighing import described
from triggerfish.trial import read_pictures

NOT_REPAIRED = 1
ELSEWHERE = "take the model from a source that you trust"


@click.command("repair")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    help="File for the repaired model; nothing is overwritten.",
)
@click.option(
    "--class",
    "targets",
    type=click.IntRange(0),
    multiple=True,
    metavar="CLASS",
    help="Class to repair; repeat for more. By default those that a scan flags.",
)
@click.option(
    "--method", type=click.Choice(list(METHODS)), default=Unlearning.name, help="How to repair."
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of your own images, without labels, to learn from and compare on.",
)
@click.option(
    "--html", type=click.Path(path_type=Path), help="File for a page of before and after."
)
@click.option("--seed", type=int, default=0, help="Seed of what is random.")
@loading_options
@click.pass_context
def repair_command(
    ctx: click.Context,
    /,
    model: Path,
    target: Path,
    targets: tuple[int, ...],
    method: str,
    images: Path | None,
    html: Path | None,
    seed: int,
    **values: Any,  # noqa: ANN401
) -> None:
    """Remove what a scan finds in a model, without any data, and scan the result.

    Weights unlearn it; of a program file the branches are cut off that are proven to be backdoors.
    Writes a file of the same format and keys, and beside it OUT.repair.json, a record of what was
    done. docs/repair.md says what a repair proves and what it does not.

    Exits with 0 when the repaired model passes its own check and is written. Exits with 1, and
    writes nothing, when it does not pass or there is nothing to repair. Exits with 2 when the model
    cannot be repaired at all.
    """
    use_one_thread()
    options = take_load_options(values)
    place = Place(model, target, options)
    if not model.is_dir() and carries_program(model):
        given = {"--images": images, "--html": html}
        if named := [name for name, value in given.items() if value is not None]:
            raise click.UsageError(f"{named[0]} does not go with a program: drop it")
        if _cut(ctx, place, targets, seed):
            return
    if html is not None:
        ensure_writable(html.absolute().parent)
    classifier = open_one(model, options)
    # A format that cannot be written is said at once.
    rewritten(model, classifier.model, options.given.state_key)
    own = None if images is None else read_pictures(images, classifier.input_shape)
    chosen, config = METHODS[method](), ScanConfig(seed=seed)
    sha256 = sha256_of(model)
    steps = (
        repair(classifier, targets=targets, method=chosen, config=config, images=own, seed=seed,
               path=model, sha256=sha256)
        for _ in range(1)
    )  # fmt: skip
    try:
        (outcome,) = track(steps, 1, "repairing")
    except NothingToRepairError as error:
        _refuse(ctx, [str(error)], ())
    count = None if own is None else len(own)
    click.echo(repair_table(outcome, count), nl=False)
    if html is not None:
        write_file(html, repair_page(outcome, classifier, target, count).encode())
    if not outcome.accepted:
        untouched = outcome.after is outcome.before  # the tests of the classes had failed
        again = () if untouched else next_try(outcome.before, target, targets, images, seed)
        _refuse(ctx, outcome.problems, again or (ELSEWHERE,), "" if untouched else chosen.tried)
    content = place.checked(classifier, outcome.model)
    record = record_of(outcome, chosen, seed, target, content)
    place.write(content, json.dumps(record, indent=2) + "\n")
    click.echo(f"repaired: {target}; what was done: {place.record}")
    for sentence in conclusions(outcome):
        click.echo(sentence)


def _cut(ctx: click.Context, place: Place, targets: tuple[int, ...], seed: int) -> bool:
    """The same for a program file: its branches are cut off; False where there are none."""
    config = ScanConfig(seed=seed)

    def scan(path: Path) -> Scanned:
        return scan_opened(open_any(path, place.options), config, path, sha256_of(path))

    steps = (repair_program(place.original, place.options, scan, targets) for _ in range(1))
    try:
        (outcome,) = track(steps, 1, "repairing")
    except NothingToRepairError as error:
        _refuse(ctx, [str(error)], ())
    if outcome is None:
        return False
    for finding, words in zip(outcome.findings, outcome.done, strict=True):
        click.echo(f"cut off: {described(finding)}; {words}")
    click.echo(f"same answers as before to {outcome.same} of {outcome.count} synthetic images")
    if outcome.opening:
        click.echo(f"the other {outcome.opening} set the branch off by themselves")
    click.echo(f"without it: {outcome.after.verdict}")
    if not outcome.accepted:
        _refuse(ctx, outcome.problems, (ELSEWHERE,))
    record = record_of_cuts(outcome, place.original, sha256_of(place.original), place.target)
    place.write(outcome.content, json.dumps(record, indent=2) + "\n")
    click.echo(f"repaired: {place.target}; what was done: {place.record}")
    return True


def next_try(
    before: Scanned, target: Path, classes: Sequence[int], images: Path | None, seed: int
) -> tuple[str, ...]:
    """What to do after a repair that failed: own images, another seed, another model."""
    words = ["repair", str(before.path), *loading_words((), before.facts), "--out", str(target)]
    words += [word for k in classes for word in ("--class", str(k))]
    again = shlex.join(["triggerfish", *words, "--seed", str(seed + 1)])
    if images is not None:
        return (f"{again} --images {shlex.quote(str(images))}", ELSEWHERE)
    return (f"with your own images, without labels: {again} --images FOLDER", again, ELSEWHERE)


def _refuse(
    ctx: click.Context, problems: Sequence[str], steps: Sequence[str], tried: str = ""
) -> NoReturn:
    """Say why nothing was written, what was ``tried`` and what to do, and leave."""
    click.echo(f"repair failed: {'; '.join(problems)}; nothing written", err=True)
    if tried:
        click.echo(f"tried: {tried}; the table says how far it came", err=True)
    for step in steps:
        click.echo(f"next: {step}", err=True)
    ctx.exit(NOT_REPAIRED)
