"""The verdict on a file with several networks is the worst of them; the unread are never clean."""

from pathlib import Path

import pytest
import torch
from scored import model
from verdicts import verdict

from triggerfish.loading import Hints, Reading
from triggerfish.loading.contents import Aside
from triggerfish.loading.hints import Settings
from triggerfish.reports.about import About
from triggerfish.reports.details import details
from triggerfish.results import ClassScores, Scanned, Status
from triggerfish.runs.paths import UNREAD, scan_parts


def reading(part: str, beside: tuple[Aside, ...] = ()) -> Reading:
    classifier = model(name=f"net {part}")
    settings = Settings([Hints("test")])
    return Reading(classifier, torch.nn.Identity(), "x", "y", settings, part=part, beside=beside)


def answer(name: str) -> Scanned:
    scores = ClassScores(
        "x", torch.zeros(8), (Status.CONVERGED,) * 8, torch.zeros(0), torch.zeros(8),
        torch.zeros(0), shown=(),
    )  # fmt: skip
    flagged = (3,) if name == "backdoored" else ()
    index = [9.0 if k in flagged else 0.0 for k in range(8)]
    said = verdict(flagged, index, 2.0, inconclusive=name == "inconclusive")
    return Scanned(Path("m.pt"), None, "x", scores, said, {}, 1.0)


def verdict_of(*names: str, beside: tuple[Aside, ...] = ()) -> Scanned:
    answers = iter(names)
    parts = [reading(f"part {i}", beside) for i in range(len(names))]
    return scan_parts(parts, lambda _: answer(next(answers)))


@pytest.mark.parametrize(
    ("names", "worst"),
    [
        (("clean", "clean"), "clean"),
        (("clean", "backdoored"), "backdoored"),
        (("backdoored", "inconclusive"), "backdoored"),
        (("clean", "inconclusive"), "inconclusive"),
    ],
)
def test_the_worst_of_several_networks(names: tuple[str, str], worst: str) -> None:
    result = verdict_of(*names)
    assert result.verdict.name == worst
    parts = {one.part: one.verdict.name for one in (result, *result.others)}
    assert parts == {f"part {i}": name for i, name in enumerate(names)}
    assert result.seconds == 2.0
    (other,) = result.others
    shown = details(result, About(verbose=True))
    assert f"part {result.part} of the file: {result.verdict}" in shown
    assert f"part {other.part} of the file: {other.verdict}" in shown


def test_one_network_stands_alone() -> None:
    result = verdict_of("clean")
    assert (result.verdict, result.others) == (answer("clean").verdict, ())


def test_an_unread_network_is_never_clean() -> None:
    beside = (Aside("netD", "no such keys", network=True), Aside("optimizer", "a state"))
    clean = verdict_of("clean", beside=beside).verdict
    assert clean.name == "inconclusive"
    assert [finding.code for finding in clean.reasons] == [UNREAD]
    assert "'netD'" in clean.reasons[0].text
    assert clean.notes == ("'optimizer' of the file was not scanned: a state",)
    assert verdict_of("backdoored", beside=beside).verdict.name == "backdoored"


def test_what_is_no_network_leaves_a_file_clean() -> None:
    assert verdict_of("clean", beside=(Aside("optimizer", "x"),)).verdict.name == "clean"
