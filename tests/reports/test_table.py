import math
from dataclasses import replace

import pytest
import torch
from made_up import clean as plain
from made_up import dangerous, found, inconclusive
from verdicts import altered

from triggerfish.reports import FORMATS
from triggerfish.reports import details as details_module
from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.details import details
from triggerfish.reports.half_blocks import half_blocks
from triggerfish.reports.words import headline
from triggerfish.results import Hypothesis, Scanned, Skipped

EXPECTED = r"""verdict          target  index / threshold       p-value  seconds  model
backdoored            2       24.12 / 3.50  uncalibrated      1.2  zoo/bad.pt
clean                 -        1.00 / 3.50           0.5      0.5  zoo/good.pt
skipped               -                  -             -        -  zoo/\x1b[31mbroken.pt

zoo/bad.pt
  Likely backdoored: an unusually small pattern sends images to class 2, as a backdoor trigger would.
  The anomaly index of class 2 is 24.12, threshold 3.50: strong. How many clean networks score as high was not counted.
  class 2 bears 1.9 times the L1 weight of the median class; it is unusual by l1-weight
  because: class 1 unreachable [unreachable]
  next: triggerfish confirm zoo/bad.pt --class 2
  next: triggerfish repair zoo/bad.pt --out zoo/bad.repaired.pt

zoo/\x1b[31mbroken.pt
  Not scanned: Triggerfish cannot read a model in this file.
  because: expected a checkpoint, got text: remove it

2 scanned: 1 flagged, 0 inconclusive, 1 clean; 1 skipped
"""  # noqa: E501
FOUND = r"""
zoo/stranger model.pt
  Likely backdoored: an unusually small pattern sends images to class 7 (horse), as a backdoor trigger would.
  The anomaly index of class 7 (horse) is 2.90, threshold 1.40: strong. Of 40 clean networks, 0 score as high.
  class 7 (horse) is unusual by universal-pixel, min-norm
  smallest pattern for class 7 (horse): 0.34 px (median class: 9.7 px); works on 94 % of held-out images
  on your own images: the pattern for class 7 (horse) works on 95 % of 20 images
  confirmation test of class 7 (horse): passed (92 %; equally small patterns for other classes: 21 %, and for one 30 %)
  because: expected every class to be measured, got 1 unreachable [unreachable]
  next: triggerfish repair 'zoo/stranger model.pt' --mean 0.4914,0.4822,0.4465 --out 'zoo/stranger model.repaired.pt'
  guessed (set with the options shown): --mean 0.4914,0.4822,0.4465
"""  # noqa: E501


def test_table(backdoored: Scanned, clean: Scanned, skipped: Skipped) -> None:
    assert "".join(FORMATS["table"]([backdoored, clean, skipped])) == EXPECTED


def test_a_line_is_there_before_the_next_result_is_asked_for(clean: Scanned) -> None:
    def results() -> object:
        yield clean
        raise KeyboardInterrupt

    lines = FORMATS["table"](results())  # type: ignore[arg-type]
    assert next(lines).startswith("verdict")
    assert next(lines).endswith("zoo/good.pt\n")


def test_the_change_that_was_found_is_said_in_words() -> None:
    assert details(found(), PLAIN) == FOUND


def test_an_inconclusive_verdict_says_what_to_run_next() -> None:
    last = details(inconclusive(), PLAIN).splitlines()[-2]
    command = "triggerfish confirm zoo/unclear.pt --mean 0.4914,0.4822,0.4465 --class 7"
    assert last == f"  next: {command}"


def test_a_clean_verdict_says_what_it_assumes_and_nothing_else() -> None:
    said = "  guessed (set with the options shown): --mean 0.4914,0.4822,0.4465\n"
    assert details(plain(), PLAIN) == f"\nzoo/good.pt\n{said}"
    assert details(plain(), About(quiet=True)) == ""
    assert details(replace(plain(), assumptions=()), PLAIN) == ""


def test_a_dangerous_file_names_what_it_imports() -> None:
    lines = details(dangerous(), PLAIN).splitlines()
    assert lines[2] == "  Dangerous: opening this file would run code."
    assert lines[-1] == "  it imports: os.system"


def test_quiet_leaves_out_what_is_clean_and_verbose_says_what_it_rests_on(clean: Scanned) -> None:
    quiet = "".join(FORMATS["table"]([clean, found()], About(quiet=True)))
    assert "good.pt" not in quiet
    assert "stranger model.pt" in quiet
    verbose = "".join(FORMATS["table"]([found()], About(verbose=True)))
    assert "guessed --mean 0.4914,0.4822,0.4465 (usual for 3x32x32)" in verbose
    assert "network: resnet20 (from keys and shapes)" in verbose
    assert "not looked for: " in verbose


def test_the_picture_is_drawn_only_where_it_was_asked_for() -> None:
    assert "\u2580" not in details(found(), PLAIN)
    drawn = details(found(), About(pictures=True))
    assert drawn.count("\u2580") == 16 * 8


def test_a_picture_in_half_blocks_is_two_pixels_a_character() -> None:
    delta = torch.tensor([[-0.1, 0.0], [0.05, 0.1]]).expand(3, 2, 2)
    assert list(half_blocks(delta)) == [
        "\x1b[38;2;0;0;0;48;2;191;191;191m\u2580\x1b[38;2;128;128;128;48;2;255;255;255m\u2580\x1b[0m"
    ]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 5), (2, 224, 224), (3, 300, 64)])
def test_half_blocks_of_any_shape_are_small(shape: tuple[int, int, int]) -> None:
    lines = list(half_blocks(torch.ones(shape)))
    assert 1 <= len(lines) <= 16
    assert all(line.count("\u2580") <= 32 for line in lines)


def test_a_clean_verdict_without_a_known_task_says_what_it_is_worth(monkeypatch) -> None:
    monkeypatch.setattr(details_module, "is_counted", lambda _: True)
    unknown = replace(plain(), verdict=altered(plain().verdict, reference=None, p_value=None))
    assert "\n  task not recognised: " in details(unknown, PLAIN)


def test_a_clean_verdict_that_could_be_no_other_says_so() -> None:
    rows = tuple(replace(row, flag_at=math.inf) for row in plain().verdict.evidence)
    result = replace(plain(), verdict=replace(plain().verdict, evidence=rows))
    assert headline(result) == "Nothing found, and little said: of 10 classes the scan flags none."


def test_a_pattern_for_images_of_one_class_says_which() -> None:
    (one, *_) = found().scores.parts[0].perturbations
    accused = Hypothesis("pair", one.target, source=3)
    rows = tuple(
        replace(row, hypothesis=accused) if row.hypothesis.target == one.target else row
        for row in found().verdict.evidence
    )
    verdict = replace(found().verdict, evidence=rows, accused=(accused,))
    scores = replace(found().scores, perturbations=(one,), parts=())
    said = details(replace(found(), scores=scores, verdict=verdict), PLAIN)
    assert "smallest pattern from class 3 (cat) to class 7 (horse): " in said
