from dataclasses import replace

import pytest

from benchmarks import detection_tables
from benchmarks.criteria import (
    attack_name,
    clean_accuracies,
    exactly_the_truth,
    is_standard,
    is_valid,
    named_right,
    pair_first,
    target_first,
)
from benchmarks.detection_tables import sort_out
from benchmarks.rows import Row
from triggerfish.reproduce import ZOO_FOLDERS

CLEAN = Row(
    sha256="c",
    setup="s",
    data="mnist",
    split="published",
    zoo=ZOO_FOLDERS["clean"],
    architecture="paper_cnn",
    attack=None,
    targets=(),
    pairs=(),
    clean_accuracy=0.99,
    attack_success_rate=None,
    verdict="clean",
    flagged=(),
    reference="r",
    index=(0.1, 0.2, None),
    statistic=(0.1, 0.2, None),
    sources=None,
    p_value=0.5,
    threshold=1.0,
    reasons=(),
    seconds=1.0,
)
ATTACKED = replace(
    CLEAN,
    sha256="a",
    split="reporting",
    zoo="white",
    attack="white",
    targets=(1,),
    attack_success_rate=1.0,
    verdict="backdoored",
    flagged=(1,),
    index=(0.1, 3.0, 0.2),
)


def table(name, **rows):
    """The cells of a table without its header."""
    text = getattr(detection_tables, name)(sort_out(rows))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_targets_count_as_a_set():
    several = replace(ATTACKED, targets=(2, 1), flagged=(1, 2))
    assert exactly_the_truth(several)
    part = replace(several, flagged=(2,))
    assert named_right(part)
    assert not exactly_the_truth(part)
    assert target_first(part)
    wrong = replace(several, flagged=(0, 1))
    assert not named_right(wrong)
    assert not named_right(replace(several, flagged=()))


def test_a_model_of_which_nothing_was_measured_names_no_target():
    assert not target_first(replace(ATTACKED, index=(None, None, None)))


def test_pair_first():
    right = replace(ATTACKED, pairs=((2, 1),), sources=(1.0, 2.0, None))
    assert right.first == 1
    assert pair_first(right)
    assert not pair_first(replace(right, sources=(1.0, 0.0, None)))
    assert not pair_first(replace(right, sources=None))
    assert not pair_first(replace(right, index=(None, None, None)))


def test_standard_clean_models_are_trained_as_the_attacked_ones():
    assert is_standard(CLEAN)
    assert is_standard(replace(CLEAN, zoo="clean-lenet", architecture="lenet"))
    assert not is_standard(replace(CLEAN, zoo="clean-dropout", architecture="paper_cnn_dropout"))
    assert not is_standard(replace(CLEAN, zoo="clean-label-noise"))
    assert not is_standard(ATTACKED)


@pytest.mark.parametrize(
    ("accuracy", "success", "valid"),
    [(0.98, 0.95, True), (0.979, 1.0, False), (0.99, 0.949, False), (1.0, 1.0, True)],
)
def test_validity(accuracy, success, valid):
    noisy = replace(CLEAN, zoo="clean-label-noise", clean_accuracy=0.5, sha256="n")
    accuracies = clean_accuracies([CLEAN, noisy])
    row = replace(ATTACKED, clean_accuracy=accuracy, attack_success_rate=success)
    assert is_valid(row, accuracies) is valid


def test_without_clean_models_success_alone_decides():
    assert is_valid(replace(ATTACKED, clean_accuracy=0.1), {})
    assert is_valid(CLEAN, {})


def test_what_constants_were_chosen_on_is_not_reported():
    found = sort_out(
        {"min-norm": [replace(CLEAN, split=s) for s in ("development", "calibration")]}
    )
    assert found.valid == {"min-norm": []}


def test_separation_and_verdicts():
    rows = [CLEAN, replace(CLEAN, index=(0.5, None, None)), ATTACKED]
    ((data, name, clean, attacked, area, one, five, first, seconds),) = table(
        "separation", **{"min-norm": rows}
    )
    assert (data, name, clean, attacked, seconds) == ("mnist", "min-norm", "2", "1", "1")
    assert area == "1.000 (1.000-1.000)"
    assert one.startswith("1 of 1")
    assert five.startswith("1 of 1")
    assert first.startswith("1 of 1")
    ((_, _, calibrated, positives, detected, named, exact, inconclusive),) = table(
        "verdicts", **{"min-norm": rows}
    )
    assert (calibrated, inconclusive) == ("3 of 3", "0")
    assert positives.startswith("0 of 2")
    assert detected.startswith("1 of 1")
    assert named.startswith("1 of 1")
    assert exact.startswith("3 of 3")


def test_p_values_of_calibrated_clean_models():
    rows = [replace(CLEAN, p_value=p) for p in (0.01, 0.04, 0.5)]
    rows += [replace(CLEAN, reference=None, p_value=0.01), ATTACKED]
    ((*kind, one, five, ten),) = table("p_values", **{"min-norm": rows})
    assert kind == ["mnist", "paper_cnn", "min-norm"]
    assert [cell[:6] for cell in (one, five, ten)] == ["1 of 3", "2 of 3", "2 of 3"]


def test_pairwise_attacks_stand_apart():
    specific = replace(ATTACKED, zoo="source-specific", attack="source-specific")
    rows = {"min-norm": [CLEAN, specific], "pairwise-norm": [CLEAN, specific]}
    assert table("separation", **rows) == []
    assert table("attacks", **rows) == []
    assert [line[:4] for line in table("pairs", **rows)] == [
        ["mnist", "paper_cnn", "source-specific", "min-norm"],
        ["mnist", "paper_cnn", "source-specific", "pairwise-norm"],
    ]


def test_invalid_models_are_only_in_their_table():
    weak = replace(ATTACKED, attack_success_rate=0.5)
    rows = {"min-norm": [CLEAN, ATTACKED, weak]}
    ((data, architecture, name, models, below, success, loss, *_),) = table("invalid", **rows)
    assert (data, architecture, name, models) == ("mnist", "paper_cnn", "white", "1")
    assert (below, success, loss) == ("1", "0.500 to 0.500", "0.0 to 0.0")
    (line,) = table("attacks", **rows)
    assert "1 of 1" in line[4]


def test_an_attack_is_compared_with_clean_models_of_its_architecture():
    lenet = replace(ATTACKED, architecture="lenet", zoo="white-lenet")
    high = replace(CLEAN, architecture="lenet", zoo="clean-lenet", index=(9.0, None, None))
    areas = {
        line[1]: line[3]
        for line in table("attacks", **{"min-norm": [CLEAN, ATTACKED, high, lenet]})
    }
    assert areas == {"lenet": "0.000 (0.000-0.000)", "paper_cnn": "1.000 (1.000-1.000)"}


def test_attacks_on_one_network_are_also_counted_together():
    grey = replace(ATTACKED, zoo="grey", attack="grey", flagged=())
    lines = table("attacks", **{"min-norm": [CLEAN, ATTACKED, grey]})
    assert [(line[2], line[4].split(" (")[0]) for line in lines] == [
        ("all together", "1 of 2"),
        ("grey", "0 of 1"),
        ("white", "1 of 1"),
    ]


def test_in_brief_with_and_without_a_reference():
    high = replace(ATTACKED, statistic=(0.2, 3.2, 0.1))
    ((*kind, clean, found, clean_fixed, found_fixed),) = table(
        "brief", **{"min-norm": [CLEAN, ATTACKED, high]}
    )
    assert kind == ["mnist", "paper_cnn"]
    shown = [cell.split(" (")[0] for cell in (clean, found, clean_fixed, found_fixed)]
    assert shown == ["0 of 1", "2 of 2", "0 of 1", "1 of 2"]


def test_published_folders():
    backdoor = ZOO_FOLDERS["backdoor"]
    extra = replace(ATTACKED, split="published", zoo=backdoor, attack=backdoor, flagged=(0, 1))
    assert attack_name(extra) == "published backdoor"
    (attacked, clean) = table("published_folders", published=[CLEAN, extra])
    assert attacked[:2] == ["published", "backdoor"]
    assert attacked[2].startswith("0 of 1")
    assert attacked[3].startswith("1 of 1")
    assert clean[2].startswith("1 of 1")
    assert clean[3] == "-"


def test_clean_varieties_and_their_total():
    noisy = replace(CLEAN, zoo="clean-label-noise", flagged=(0,))
    lines = table("clean_varieties", **{"min-norm": [CLEAN, noisy], "published": [CLEAN]})
    assert [(line[1], line[2][:6], line[3][:6]) for line in lines] == [
        ("published", "0 of 1", "0 of 1"),
        ("label-noise", "1 of 1", "-"),
        ("all", "1 of 2", "0 of 1"),
    ]


def test_no_rows_make_empty_tables():
    for name in (
        "separation",
        "verdicts",
        "p_values",
        "attacks",
        "published_folders",
        "clean_varieties",
    ):
        assert table(name) == []
