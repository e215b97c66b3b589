import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up import accepted, clean, confirmation, found
from verdicts import altered

import triggerfish
from triggerfish.cli.group import app
from triggerfish.loading.hints import Hints, Settings
from triggerfish.reports.reasons import CHECKS, next_step, next_steps, suspected_class
from triggerfish.results import (
    Assumption,
    ClassSizes,
    Fact,
    Finding,
    Hypothesis,
    Scanned,
    Status,
)

ROOT = Path(triggerfish.__file__).parent
CODE = re.compile(r"Finding\(\s*\"([a-z-]+)\"")


def raised() -> set[str]:
    """Codes that the package gives to findings; two are made from statuses."""
    texts = (
        file.read_text()
        for folder in ("verdict", "scanning.py", "runs")
        for file in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
    )
    found = {code for text in texts for code in CODE.findall(text)}
    return found | {s.value.replace("_", "-") for s in (Status.UNREACHABLE, Status.CAP_REACHED)}


def test_every_reason_has_a_question_and_a_next_step() -> None:
    assert raised() <= set(CHECKS)


def test_the_limits_explain_every_reason() -> None:
    text = (ROOT.parents[1] / "docs" / "limits.md").read_text()
    assert {code for code in CHECKS if f"`{code}`" not in text} == set()


def test_a_finding_with_a_command_of_its_own_wins_and_paths_are_quoted() -> None:
    own = Finding("ties", "expected A, got B", "triggerfish scan x")
    assert next_step(clean(), own) == "triggerfish scan x"
    usual = Finding("unreachable", "expected A, got B")
    assert (next_step(clean(), usual) or "").startswith("triggerfish scan zoo/good.pt ")
    assert next_step(clean(), Finding("unheard-of", "expected A, got B")) is None


@pytest.fixture
def stranger(tmp_path: Path) -> Scanned:
    """A file with a name that has to be quoted, loaded by options with values that have to be."""
    path = tmp_path / "my models" / "it's (1).pt"
    path.parent.mkdir()
    path.touch()
    return replace(
        clean(),
        path=path,
        assumptions=(Assumption("arch", "chain:conv1,relu,flat,fc1", "order and shapes"),),
        facts=(
            Fact("mean", "-0.5,0.5,0.5", "command line"),
            Fact("channels-last", "True", "command line"),
            Fact("arch-args", "depth=3 wide=yes", "command line"),
            Fact("std", "0.25", "model card m.card.toml"),
        ),
    )


@pytest.mark.parametrize("code", CHECKS)
def test_the_next_command_works_when_pasted(code: str, stranger: Scanned) -> None:
    command = next_step(stranger, Finding(code, "expected A, got B"))
    program, name, *words = shlex.split(command or "")
    with app.make_context(program, [name, *words]) as context:
        found = app.get_command(context, name)
        assert found is not None
        with found.make_context(name, words, parent=context) as parsed:
            given = parsed.params.get("paths") or (parsed.params["model"],)
            assert [Path(item) for item in given] == [stranger.path]
            pinned = None if name == "inspect" else "chain:conv1,relu,flat,fc1"
            assert parsed.params["arch"] == pinned
            assert parsed.params["mean"] == (-0.5, 0.5, 0.5)
            assert parsed.params["arch_args"] == ("depth=3", "wide=yes")
            assert parsed.params["channels_last"]
            assert parsed.params["std"] is None  # the card says it again by itself


def test_the_second_look_is_at_the_class_in_question(stranger: Scanned) -> None:
    index = (0.1, float("nan"), 0.9, 0.2)
    verdict = altered(stranger.verdict, index=index)
    command = next_step(replace(stranger, verdict=verdict), Finding("unclear-score", "x"))
    assert (command or "").endswith(" --class 2")


def test_another_seed_is_tried_once_and_own_images_then(stranger: Scanned) -> None:
    first = replace(stranger, config={"seed": 0}, trials=())
    assert (next_step(first, Finding("not-confirmed", "x")) or "").endswith(" --seed 1")
    again = replace(first, config={"seed": 1})
    assert (next_step(again, Finding("not-confirmed", "x")) or "").endswith(" --images FOLDER")


def test_of_two_classes_the_one_with_the_smaller_pattern_is_tested(stranger: Scanned) -> None:
    """Whatever the scores say: the target of a two-class network needed 0.66 px, the other 8.97."""
    sizes = torch.tensor([8.97, 0.66]).double()
    scores = replace(
        stranger.scores, statistic=torch.tensor([0.4, 0.1]).double(), parts=(),
        status=(Status.CONVERGED,) * 2, sizes=(ClassSizes("pixel", sizes),),
    )  # fmt: skip
    nan = float("nan")
    verdict = altered(stranger.verdict, index=(0.4, 0.1), threshold=nan, inconclusive=True)
    result = replace(stranger, scores=scores, verdict=verdict, confirmations=())
    assert suspected_class(result) == 1
    command = next_step(result, Finding("few-classes", "two classes")) or ""
    assert command.startswith("triggerfish confirm ")
    assert command.endswith(" --class 1")


def test_where_nothing_was_searched_every_class_is_tested(stranger: Scanned) -> None:
    """No class is a suspect yet: a test of the first one alone would only mislead."""
    scores = replace(stranger.scores, parts=(), status=(Status.SCREENED,) * 2)
    verdict = altered(stranger.verdict, index=(0.4, 0.1), threshold=float("nan"), inconclusive=True)
    result = replace(stranger, scores=scores, verdict=verdict, confirmations=())
    command = next_step(result, Finding("few-classes", "two classes")) or ""
    assert command.startswith("triggerfish confirm ")
    assert command.endswith(" --class 0 --class 1")


def test_a_class_that_was_tested_already_is_not_tested_again(stranger: Scanned) -> None:
    tested = replace(confirmation(), target=7, grade="unclear")
    result = replace(stranger, confirmations=(tested,), config={"seed": 0}, trials=())
    assert suspected_class(result) == 7
    assert (next_step(result, Finding("unclear-score", "x")) or "").endswith(" --seed 1")


def test_a_test_that_has_passed_is_not_thrown_away_for_another_seed(stranger: Scanned) -> None:
    tested = replace(confirmation(), target=7, grade="confirmed")
    result = replace(stranger, confirmations=(tested,), config={"seed": 0}, trials=())
    assert (next_step(result, Finding("unclear-score", "x")) or "").endswith(" --images FOLDER")


def test_arguments_of_several_words_stay_whole(stranger: Scanned) -> None:
    given = Hints("command line", arch_args={"spec": "conv relu max2", "wide": "yes"})
    (fact,) = Settings([given]).facts()
    command = next_step(replace(stranger, facts=(fact,)), Finding("ties", "x")) or ""
    words = shlex.split(command)
    assert [words[i + 1] for i, word in enumerate(words) if word == "--arch-args"] == [
        "spec=conv relu max2", "wide=yes",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["stamp", "pair"])
def test_what_neither_a_test_nor_a_repair_is_for_is_not_scanned_in_circles(kind: str) -> None:
    source = 3 if kind == "pair" else None
    accused = (Hypothesis(kind, 7, source=source),)  # type: ignore[arg-type]
    rows = tuple(
        replace(row, hypothesis=accused[0]) if row.hypothesis.target == 7 else row
        for row in found().verdict.evidence
    )
    verdict = replace(found().verdict, evidence=rows, accused=accused)
    result = replace(found(), verdict=verdict, confirmations=(), trials=(), config={"seed": 0})
    (step,) = next_steps(result)
    assert step.endswith(" --seed 1")
    (step,) = next_steps(replace(result, config={"seed": 1}))
    assert step.endswith(" --images FOLDER")


def test_inputs_that_are_too_large_are_tried_in_the_other_range(stranger: Scanned) -> None:
    wide = replace(stranger, assumptions=(Assumption("input-range", "0,255", "usual"),))
    assert (next_step(wide, Finding("sharp-output", "x")) or "").endswith(" --input-range 0,1")
    assert (next_step(stranger, Finding("flat-output", "x")) or "").endswith(" --input-range 0,255")


def test_after_a_flag_come_a_test_and_a_repair() -> None:
    untested = replace(found(), confirmations=())
    confirm, repair = next_steps(untested)
    assert confirm.startswith("triggerfish confirm ")
    assert repair.startswith("triggerfish repair ")
    assert next_steps(found()) == (repair,)
    assert next_steps(clean()) == next_steps(accepted()) == ()
