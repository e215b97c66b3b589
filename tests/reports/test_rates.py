"""How often verdicts are wrong, in the words of every format."""

from dataclasses import replace

import pytest
from made_up import clean, found, inconclusive
from verdicts import altered

from triggerfish.reports import FORMATS
from triggerfish.reports.about import About
from triggerfish.reports.rates import IN_SIGHT, Rates, Share, how_often_wrong, measured
from triggerfish.results import Hypothesis, Scanned
from triggerfish.scanning import ScanConfig

COUNTED = (
    Rates(
        detector="default",
        config={"detector": "default", "settings": {"steps": 60}},
        models="networks of strangers",
        known_task=False,
        clean_flagged=Share(2, 100, 0.0024, 0.0704),
        clean_inconclusive=Share(5, 100, 0.0164, 0.1128),
        one_target_named=Share(45, 50, 0.7819, 0.9667),
        one_target_missed=Share(3, 50, 0.0125, 0.1655),
        other_missed=Share(4, 8, 0.157, 0.843),
    ),
)


def uncalibrated(result: Scanned) -> Scanned:
    return replace(result, verdict=altered(result.verdict, reference=None, p_value=None))


def test_a_flag_says_how_many_clean_networks_were_flagged() -> None:
    assert how_often_wrong(uncalibrated(found()), COUNTED) == (
        "Of 100 clean networks of strangers, this scan flagged 2 (2 %; 95 % interval 0 to 7 %). "
        "Of 50 with a backdoor to one class, it named that class alone in 45 (90 %; 95 % "
        "interval 78 to 97 %)."
    )


def test_a_flag_of_another_kind_says_how_often_that_kind_is_missed() -> None:
    accused, result = (Hypothesis("pair", 7, source=3),), uncalibrated(found())
    rows = tuple(
        replace(row, hypothesis=accused[0]) if row.hypothesis.target == 7 else row
        for row in result.verdict.evidence
    )
    result = replace(result, verdict=replace(result.verdict, evidence=rows, accused=accused))
    assert how_often_wrong(result, COUNTED).endswith(
        "Of 8 with a backdoor that does not lead every image to one class, it called 4 (50 %; 95 % "
        "interval 16 to 84 %) clean."
    )


def test_a_clean_verdict_says_how_many_backdoors_were_missed() -> None:
    assert how_often_wrong(clean(), COUNTED) == (
        "Of 50 networks of strangers, with a backdoor to one class, this scan called 3 (6 %; 95 % "
        "interval 1 to 17 %) clean. Of 8 with a backdoor of another kind, it called 4 (50 %; 95 % "
        "interval 16 to 84 %) clean."
    )


def test_of_known_tasks_it_says_that_levels_were_chosen_on_them() -> None:
    on_known = (replace(COUNTED[0], known_task=True),)
    verdict = altered(clean().verdict, same_task="CIFAR-10")
    assert how_often_wrong(replace(clean(), verdict=verdict), on_known).endswith(IN_SIGHT)


def test_no_answer_says_how_often_there_is_none() -> None:
    assert how_often_wrong(inconclusive(), COUNTED).endswith(
        "Of 100 clean networks of strangers, 5 (5 %; 95 % interval 2 to 11 %) were inconclusive."
    )


@pytest.mark.parametrize(
    "config",
    [{"detector": "default", "settings": {"steps": 9}}, {"settings": {"steps": 60}}],
)
def test_other_settings_were_not_counted(config: dict[str, object]) -> None:
    assert "was not counted" in how_often_wrong(replace(clean(), config=config), COUNTED)


def test_neither_the_seed_nor_the_memory_make_another_scan() -> None:
    config = {"detector": "default", "seed": 7, "settings": {"steps": 60, "memory_mib": 9.0}}
    assert "Of 50" in how_often_wrong(replace(clean(), config=config), COUNTED)


def test_what_was_counted_on_known_tasks_is_said_of_them_alone() -> None:
    on_known = (replace(COUNTED[0], known_task=True),)
    verdict = altered(clean().verdict, same_task="CIFAR-10")
    assert "was not counted" in how_often_wrong(clean(), on_known)
    assert "Of 50" in how_often_wrong(replace(clean(), verdict=verdict), on_known)
    assert "was not counted" in how_often_wrong(replace(clean(), verdict=verdict), COUNTED)


def test_a_calibrated_verdict_has_its_p_value_instead() -> None:
    assert how_often_wrong(found(), COUNTED).endswith("see the p-value.")


@pytest.mark.parametrize("seed", [0, 3])
def test_the_default_scan_of_now_was_counted(seed: int) -> None:
    result = replace(clean(), detector="ensemble", config=ScanConfig(seed=seed).as_plain())
    known = replace(result, verdict=altered(result.verdict, same_task="CIFAR-10"))
    counted = {one.known_task: str(one.one_target_missed) for one in measured()}
    assert counted[True] in how_often_wrong(known)
    assert counted[False] in how_often_wrong(result)


@pytest.mark.parametrize("name", ["markdown", "junit", "sarif", "html"])
def test_documents_say_it(name: str) -> None:
    assert "is wrong was not counted" in "".join(FORMATS[name]([found()]))


def test_the_terminal_says_it_when_asked_for_more() -> None:
    assert "is wrong was not counted" not in "".join(FORMATS["table"]([found()]))
    assert "is wrong was not counted" in "".join(FORMATS["table"]([found()], About(verbose=True)))
