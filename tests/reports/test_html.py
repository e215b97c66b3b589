"""What an HTML report says, without a browser; `test_browser` opens it in one."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from made_up import (
    EVERYTHING,
    NAMES,
    accepted,
    clean,
    confirmation,
    dangerous,
    found,
    in_program,
    in_program_with_a_stamp,
    inconclusive,
    of_two_classes,
    unreadable,
)
from verdicts import altered

from triggerfish.reports.html import MOST_PAGES, render_html, render_page, render_repair
from triggerfish.reports.html.class_chart import class_chart
from triggerfish.reports.html.confirmation_view import confirmation_view
from triggerfish.reports.html.histogram import histogram
from triggerfish.reports.html.overview import row
from triggerfish.reports.html.page import thumbnail
from triggerfish.reports.html.pictures import perturbation_picture
from triggerfish.reports.html.plain_perturbation import beyond_ground
from triggerfish.reports.html.repair_page import (
    MOST_PICTURES,
    MOST_SHOWN,
    RepairReport,
    Retried,
    retried_view,
)
from triggerfish.reports.html.size_strip import size_strip
from triggerfish.reports.reasons import CHECKS
from triggerfish.reports.words import headline, size
from triggerfish.results import (
    Assumption,
    Evidence,
    Finding,
    Hypothesis,
    HypothesisKind,
    Null,
    Scanned,
    Status,
)
from triggerfish.verdict.conclude import conclude

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Outline(HTMLParser):
    """Balance of tags, ids, images without a text, and addresses that are loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.silent: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "img" and "alt" not in values:
            self.silent.append(str(values))
        self.addresses += [str(values[k]) for k in ("src", "href", "action") if values.get(k)]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "script" not in self.open:
            self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def many() -> str:
    return "".join(render_html([make() for make in EVERYTHING.values()]))


PAGES = {**{name: lambda make=make: render_page(make()) for name, make in EVERYTHING.items()},
         "many": many}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_document_is_whole_loads_nothing_and_describes_its_pictures(name: str) -> None:
    outline = Outline(PAGES[name]())
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert outline.silent == []
    assert all(address.startswith(("data:image/png", "#")) for address in outline.addresses)


@pytest.mark.parametrize("name", PAGES)
def test_the_same_result_gives_the_same_bytes(name: str) -> None:
    assert PAGES[name]() == PAGES[name]()


def test_the_answer_comes_first_then_the_change_then_all_classes() -> None:
    words = Outline(render_page(found())).words()
    order = [
        "Likely backdoored: an unusually small pattern sends images to class 7 (horse)",
        "The anomaly index of class 7 (horse) is 2.90, threshold 1.40: strong.",
        "Smallest pattern for class 7 (horse)",
        "0.34 px (median class: 9.7 px)",
        "other classes 5.1 to 17",
        "On your own images",
        "The pattern for class 7 (horse) works on 95 % of 20 images",
        "Confirmation test of class 7 (horse): passed",
        "Its pattern works far better than equally small patterns for nearly all others (92 %; "
        "equally small patterns for other classes: 21 %, and for one 30 %).",
        "Share of held-out images that a pattern of 0.36 px works on",
        "All classes",
        "From class to class",
        "What each detector said",
        "What it rests on",
        "Not looked for",
        "To repeat it",
    ]
    places = [words.index(part) for part in order]
    assert places == sorted(places)


def test_it_says_what_the_network_calls_each_picture_with_the_change() -> None:
    html = render_page(found())
    assert html.count('<td class="flipped">') == 7 + 3
    assert html.count("→ 7 (horse)") == 7 + 3


def test_where_nothing_is_flagged_the_nearest_change_is_shown_for_comparison() -> None:
    result = found()
    calm = altered(result.verdict, flagged=(), seen_by={})
    words = Outline(render_page(replace(result, verdict=calm, trials=()))).words()
    assert "For comparison: the smallest pattern beside its median class" in words
    assert "Class 7 (horse) is not flagged." in words
    assert "→" not in words


def test_a_pattern_is_not_played_down_where_there_is_no_answer() -> None:
    result = found()
    reasons = (Finding("unclear-score", "class 7 scores 1.2"),)
    unclear = altered(result.verdict, flagged=(), seen_by={}, reasons=reasons)
    words = Outline(render_page(replace(result, verdict=unclear, trials=()))).words()
    assert "The scan cannot tell whether this pattern is a trigger." in words
    assert "Every class has such a pattern" not in words


def test_a_class_that_another_test_flags_stands_above_its_own_level() -> None:
    task = Null("same-task")
    rows = [Evidence(Hypothesis("target", k), "universal", 0.2, 1.4, 1.0, task) for k in range(10)]
    pair = Evidence(Hypothesis("pair", 3, 5), "universal-pairs", 1.3, 1.15, None, task)
    chart = class_chart(replace(clean(), verdict=conclude([*rows, pair])))
    bar = chart.bars[3]
    assert bar.flagged
    assert bar.words.endswith(": 1.30")
    assert bar.level is not None
    assert bar.y < bar.level  # heights grow downwards
    assert [b.level for b in chart.bars if b is not bar] == [None] * 9
    assert chart.own_levels == (
        "The dashed line across the bar of class 3 is its own threshold, 1.15: "
        "another test decides about it (universal-pairs).",
    )


def test_a_page_explains_the_level_of_a_stamp_with_the_number_of_the_headline() -> None:
    words = Outline(render_page(in_program_with_a_stamp())).words()
    assert "The anomaly index of class 7 is 1.00, threshold 0.90" in words
    assert "across the bar of class 7 is its own threshold, 0.90" in words
    assert "across the bar" not in Outline(render_page(found())).words()


def test_no_bar_is_drawn_where_the_threshold_has_its_name() -> None:
    result = found()
    index = (*result.verdict.anomaly_index[:-1], 2.0)
    chart = class_chart(replace(result, verdict=altered(result.verdict, index=index, flagged=(9,))))
    assert chart.bars[-1].flagged
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.right
    named = re.findall(r'<text x="([\d.]+)"[^>]*>threshold<', render_page(found()))
    assert [float(x) > chart.right for x in named] == [True]


def test_what_is_below_a_histogram_is_inside_it() -> None:
    drawn = histogram([("clean", 0.1, 0.95), ("clean", 0.7, 0.95)])
    assert drawn is not None
    widths = {text: 10.0 * len(text) for _, text in drawn.ticks}  # at the size of a phone
    assert all(x + widths[text] / 2 <= drawn.width for x, text in drawn.ticks)
    (name,) = re.findall(
        r'y="([\d.]+)" class="middle quiet">largest', "".join(render_html([found(), clean()]))
    )
    assert drawn.bottom + 30 <= float(name) <= drawn.height - 6


def test_a_source_specific_attack_names_both_classes_and_what_found_it() -> None:
    result = found()
    low = (0.2,) * len(result.verdict.anomaly_index)
    verdict = altered(
        result.verdict, index=low, sources={7: 4}, same_task="CIFAR-10", reference=None
    )
    words = Outline(render_page(replace(result, verdict=verdict))).words()
    assert "sends images of one class to another (4 (deer) to 7 (horse))" in words
    assert "Each class is compared with clean networks of CIFAR-10." in words


def test_a_second_look_is_a_line_from_none_to_all() -> None:
    view = confirmation_view(confirmation(), NAMES)
    (own,) = (dot for dot in view.strip.dots if dot.own)
    ends = {text: x for x, text in view.strip.ticks}
    share = (own.x - ends["0 %"]) / (ends["100 %"] - ends["0 %"])
    assert share == pytest.approx(0.92, abs=1e-3)
    assert len(view.strip.dots) == 10
    assert dict(view.rows)["equally small, second best class"] == ("21 %", "70 %")


def test_a_look_is_no_check_where_there_was_none() -> None:
    asks = CHECKS["not-confirmed"].asks
    assert asks in render_page(found())
    assert asks not in render_page(clean())


def test_classes_are_sorted_by_suspicion() -> None:
    rows = re.findall(r'alt="synthesized image of class (\d)', render_page(found()))
    assert rows == ["7", "3", "6", "0", "2", "8", "5", "1", "9", "4"]


def test_an_inconclusive_page_says_why_and_what_to_run() -> None:
    words = Outline(render_page(inconclusive())).words()
    assert "Why no answer: expected scores up to 1, got class 7 at 1.20" in words
    assert "Next: triggerfish confirm zoo/unclear.pt --mean 0.4914,0.4822,0.4465 --class 7" in words


def test_checks_that_failed_and_that_passed() -> None:
    html = render_page(found())
    assert html.count('<li class="failed">') == 1
    made = set(CHECKS) - {"cap-reached", "unclear-score", "few-classes", "detectors-disagree"}
    assert html.count('<li class="passed">') == len(made) - 1


def test_accepted_is_said_and_never_clean() -> None:
    words = Outline(render_page(accepted())).words()
    assert "Accepted until 2031-01-01 (known test model). What was found: Likely" in words


def test_a_dangerous_page_names_the_imports() -> None:
    assert "os.system" in Outline(render_page(dangerous())).words()


def test_what_comes_from_outside_cannot_write_markup() -> None:
    evil = "<script>alert(1)</script>"
    result = found()
    names = (evil, *NAMES[1:])
    result = replace(
        result,
        path=Path(evil),
        class_names=names,
        command=evil,
        environment={evil: evil},
        config={"detector": evil},
        verdict=altered(result.verdict, notes=(evil,), reference=evil),
    )
    for html in (
        render_page(result),
        "".join(render_html([result, unreadable()])),
    ):
        assert html.count("<script") == 1
        assert "\x1b" not in html
        assert "<b>|broken" not in html


def test_without_stored_pictures_the_numbers_are_still_there() -> None:
    result = found()
    scores = replace(result.scores, images=torch.empty(0, 3, 16, 16))
    part = scores.parts[0]
    lost = tuple(replace(c, delta=torch.full_like(c.delta, torch.nan)) for c in part.perturbations)
    scores = replace(scores, parts=(replace(part, perturbations=lost, pictures=None),))
    words = Outline(render_page(replace(result, scores=scores))).words()
    assert "0.34 px (median class: 9.7 px)" in words


def test_hundreds_of_classes_show_the_most_suspicious() -> None:
    result, count = clean(), 600
    index = torch.linspace(0, 1, count).double()
    scores = replace(
        result.scores,
        statistic=index,
        status=(Status.CONVERGED,) * count,
        images=torch.zeros(count, 3, 4, 4),
        probability=index,
        logits=torch.zeros(count, count),
        norms=(),
    )
    verdict = altered(result.verdict, index=tuple(index.tolist()))
    html = render_page(replace(result, scores=scores, verdict=verdict))
    assert html.count('alt="synthesized image') == 100
    assert "500 less suspicious classes are not shown" in html


def test_nothing_measured_still_gives_a_page() -> None:
    result = clean()
    nan = (float("nan"),) * 10
    verdict = altered(result.verdict, index=nan, threshold=nan[0], inconclusive=True)
    scores = replace(result.scores, statistic=torch.tensor(nan).double())
    html = render_page(replace(result, scores=scores, verdict=verdict))
    assert "No class was measured" in html


def test_a_model_of_few_classes_is_measured_and_not_judged() -> None:
    words = Outline(render_page(of_two_classes())).words()
    assert "No class was measured" not in words
    assert "classes that were not measured" not in words
    assert "classes not measured" not in words
    assert class_chart(of_two_classes()).bars[0].words == "class 0: not judged"
    assert "No class was judged: among 2 classes the scan cannot tell an outlier." in words
    assert "0.92 px" in words
    assert "With so few classes the scan cannot judge whether this is unusually small." in words
    assert "Every class has such a pattern" not in words
    assert "For comparison" not in words


def test_a_program_that_decides_is_named_before_a_stamp_that_it_looks_for() -> None:
    words = Outline(render_page(in_program_with_a_stamp())).words()
    assert "Backdoored: the file's program sends images with a trigger to class 7." in words
    assert "unusually small pattern sends" not in words
    assert "The change that makes a plain image" not in words
    assert "no size" not in words


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ((("stamp", 3), ("blend", 5)), "a plain stamp sends any image to class 3"),
        ((("target", 5), ("structure", 3)), "program sends images with a trigger to class 3"),
        ((("stamp", 5), ("target", 3)), "an unusually small pattern sends images to class 3, as a"),
    ],
)
def test_a_headline_names_the_classes_that_its_claim_accuses(
    claims: tuple[tuple[HypothesisKind, int], ...], said: str
) -> None:
    null = Null("fixed")
    rows = [Evidence(Hypothesis(kind, k), kind, 9.0, 1.0, None, null) for kind, k in claims]
    result = replace(clean(), verdict=conclude(rows))
    first, second = headline(result).split(". ")
    assert said in first
    assert second == "Class 5 is flagged, too."


def test_a_search_that_ended_well_is_no_reason_for_a_missing_size() -> None:
    lost = replace(found().scores.parts[0].perturbations[0], size=float("nan"))
    assert size(lost) == "size not measured"
    assert size(replace(lost, status=Status.UNREACHABLE)).endswith("ended unreachable")


def test_checks_are_true_of_the_model_that_they_are_said_of() -> None:
    """No reference was used; the program decides; nobody knows whether there is batch norm."""
    for result in (in_program(), in_program_with_a_stamp()):
        words = Outline(render_page(result)).words()
        assert "Is the reference one of this network" not in words
        assert "Do the learned layers alone decide" not in words
    assert (
        "Is the reference one of this network and task? Yes."
        in Outline(render_page(found())).words()
    )
    assert (
        "Do the learned layers alone decide the answer? Yes."
        in Outline(render_page(clean())).words()
    )
    assert "batch norm expects, if there is any? Yes." in Outline(render_page(clean())).words()


def test_nothing_is_said_of_scores_that_there_are_none_of() -> None:
    nan = (float("nan"),) * 10
    scores = replace(
        clean().scores,
        statistic=torch.tensor(nan).double(),
        status=(Status.SCREENED,) * 10,
        norms=(),
    )
    verdict = altered(clean().verdict, index=nan, threshold=nan[0], inconclusive=True)
    words = Outline(render_page(replace(clean(), scores=scores, verdict=verdict))).words()
    for code in ("ties", "unclear-score", "unreachable", "implausible-norms"):
        assert CHECKS[code].asks in Outline(render_page(clean())).words()
        assert CHECKS[code].asks not in words


def test_every_reason_is_on_the_page_and_their_command_once() -> None:
    reasons = tuple(Finding("not-confirmed", f"class {k} failed the sure images") for k in (2, 4))
    unclear = replace(clean().verdict, name="inconclusive", reasons=reasons)
    words = Outline(render_page(replace(clean(), verdict=unclear))).words()
    for place in ("Why no answer: {}", "confirm the flag? No. {}"):
        assert all(place.format(reason.text) in words for reason in reasons)
    assert words.count("Next: triggerfish") == 1


def test_pages_of_the_most_suspicious_are_inside_a_large_overview() -> None:
    def numbered(i: int) -> Scanned:
        index = tuple(v * i / 100 for v in clean().verdict.anomaly_index)
        verdict = altered(clean().verdict, index=index)
        return replace(clean(), path=Path(f"zoo/{i:03}.pt"), verdict=verdict)

    html = "".join(render_html([*(numbered(i) for i in range(MOST_PAGES + 9)), found()]))
    assert html.count('<article class="page"') == MOST_PAGES
    assert f"those of the other {10}" in html
    assert 'href="#model-109"' in html  # found
    assert 'href="#model-108"' in html  # the largest index of the clean ones
    assert 'href="#model-3"' not in html


def test_a_histogram_counts_every_measured_model_once() -> None:
    models = [("clean", 0.1 * i, 1.4) for i in range(10)]
    drawn = histogram([*models, ("backdoored", 3.0, 1.4), ("inconclusive", float("nan"), 1.4)])
    assert drawn is not None
    assert sum(int(block.words.split()[0]) for block in drawn.blocks) == 11
    assert drawn.threshold is not None
    assert max(b.x for b in drawn.blocks if b.outcome == "clean") < drawn.threshold
    assert min(b.x for b in drawn.blocks if b.outcome == "backdoored") > drawn.threshold


def test_no_histogram_of_one_model_and_no_threshold_where_they_differ() -> None:
    assert histogram([("clean", 0.1, 1.4)]) is None
    drawn = histogram([("clean", 0.1, 1.4), ("clean", 0.2, 1.6)])
    assert drawn is not None
    assert drawn.threshold is None


def test_sizes_lie_in_order_on_the_line() -> None:
    result = found()
    part = result.scores.parts[0]
    strip = size_strip(result, part, part.perturbations[0])
    assert strip is not None
    own = [dot.x for dot in strip.dots if dot.own]
    others = [dot.x for dot in strip.dots if not dot.own]
    assert max(own) < min(others)
    assert len(others) == 8  # class 4 has no size
    assert strip.median is not None
    assert min(others) < strip.median < max(others)


def test_without_a_universal_change_the_change_of_a_plain_picture_is_shown() -> None:
    result = replace(found(), trials=())
    result = replace(result, scores=replace(result.scores, parts=()))
    words = Outline(render_page(result)).words()
    assert "The change that makes a plain image class 7 (horse)" in words
    assert "0.55 px (median class: 9.5 px)" in words
    assert "% of held-out images" not in words


def test_what_an_image_has_beyond_its_ground() -> None:
    image = torch.full((2, 3, 3), 0.5)
    image[0, 0, 0], image[1] = 1.0, 0.2
    image[1, 2, 2] = 0.0
    expected = torch.zeros(2, 3, 3)
    expected[0, 0, 0], expected[1, 2, 2] = 0.5, -0.2
    torch.testing.assert_close(beyond_ground(image), expected, atol=1 / 255, rtol=0)


def test_a_picture_that_is_the_target_already_is_not_flipped_and_comes_last() -> None:
    result = found()
    part = replace(result.scores.parts[0], predicted_classes=(7, 2, 2, 6, 3, 2, 8, 2))
    html = render_page(replace(result, scores=replace(result.scores, parts=(part,)), trials=()))
    assert html.count('<td class="flipped">') == 6
    shown = re.findall(r'alt="image \d, predicted class (\d)', html)
    assert shown == ["2", "2", "6", "3", "2", "8", "2", "7"]


def test_a_change_of_full_strength_is_not_called_amplified() -> None:
    result = found()
    part = result.scores.parts[0]
    strong = replace(part.perturbations[0], delta=part.perturbations[0].delta * 20)
    part = replace(part, perturbations=(strong,))
    html = render_page(replace(result, scores=replace(result.scores, parts=(part,)), trials=()))
    assert "amplified" not in html
    assert "amplified 10 times" in render_page(found())


def test_a_repair_shows_the_old_change_on_both_networks() -> None:
    result = found()
    (part,) = result.scores.parts
    tried = Retried(
        part.perturbations[0], part.pictures[:4], (0, 1, 2, 7), (7, 7, 2, 7), (0, 3, 2, 7)
    )
    view = retried_view(tried, NAMES)
    assert [(c.predicted, c.before, c.after) for c in view.columns] == [
        ("0 (plane)", "7 (horse)", "0 (plane)"),
        ("1 (car)", "7 (horse)", "3 (cat)"),
        ("2 (bird)", "2 (bird)", "2 (bird)"),
        ("7 (horse)", "7 (horse)", "7 (horse)"),
    ]
    assert [c.flipped for c in view.columns] == [True, True, False, False]
    assert [c.undone for c in view.columns] == [True, False, False, False]
    rows = (("verdict", "backdoored, class 7", "clean"),)
    outline = Outline(render_repair(RepairReport(result, clean(), "x", (), rows, (tried,))))
    assert outline.open == outline.silent == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert "The repaired network passes its own check" in outline.words()
    assert '<header class="verdict clean">' in render_repair(
        RepairReport(result, clean(), "x", (), rows, ())
    )
    failed = RepairReport(result, clean(), "x", ("expected <b>, got it",), rows, ())
    assert "Because: expected <b>, got it" in Outline(render_repair(failed)).words()


def test_the_column_of_probabilities_is_explained_or_left_out() -> None:
    said = "The probability is the network's, of the class for the image beside it."
    pattern = "The pattern works on most images; where it is low, not on this one."
    words = Outline(render_page(found())).words()
    assert f"{said} {pattern}" in words
    words = Outline(render_page(clean())).words()  # searched from plain images alone
    assert said in words
    assert pattern not in words
    assert ">probability<" not in render_page(of_two_classes())


def test_the_overviews_picture_is_of_the_class_that_leads_the_table_of_classes() -> None:
    """The scores of the detector have another order than the index beside clean networks."""
    result, task = inconclusive(), Null("same-task", "MNIST", 14)
    again = [
        Evidence(Hypothesis("target", k), "sure images", 0.6 if k == 9 else 0.1, 1.2, 0.9, task)
        for k in range(10)
    ]
    rows = [replace(row, note_only=True) for row in result.verdict.evidence]
    verdict = replace(result.verdict, evidence=(*rows, *again))
    result = replace(result, verdict=verdict)
    page_of = render_page(result)
    assert re.findall(r'alt="synthesized image of class (\d)', page_of)[0] == "9"
    expected = perturbation_picture(beyond_ground(result.scores.images[9]))
    assert thumbnail(result) == expected
    assert thumbnail(inconclusive()) != expected
    assert "so another class may lead there" in render_page(found())


def test_a_repair_whose_new_scan_has_no_answer_is_not_green() -> None:
    said = "The new scan is inconclusive, not clean: it cannot tell whether a backdoor is left."
    html = render_repair(RepairReport(found(), inconclusive(), "x", (), (), (), (said,)))
    page = html[: html.index('<article class="page"')]
    assert '<header class="verdict inconclusive">' in page
    assert "✓" not in page
    assert "The new scan is inconclusive, not clean: it cannot tell whether a backdoor" in page
    assert "not clean" not in render_repair(RepairReport(found(), clean(), "x", (), (), ()))


def test_a_repair_shows_images_that_the_pattern_flips_of_all_that_it_was_tried_on() -> None:
    (part,) = found().scores.parts
    shown = part.pictures.repeat(4, 1, 1, 1)[:MOST_PICTURES]
    count = len(shown)
    after = tuple(7 if i % 3 == 2 else 0 for i in range(count))
    view = retried_view(Retried(part.perturbations[0], shown, (0,) * count, after, after), NAMES)
    assert [c.flipped for c in view.columns] == [True] * MOST_SHOWN
    assert view.flips == "Before the repair it flipped 10 of 32 new images."


def test_a_page_says_grey() -> None:
    (part,) = found().scores.parts
    tried = Retried(part.perturbations[0], part.pictures[:1], (0,), (7,), (0,))
    html = render_repair(RepairReport(found(), clean(), "x", (), (), (tried,)))
    assert "on grey" in html
    assert "gray" not in html


def test_the_trigger_of_a_program_is_shown_in_place_of_the_searchs_perturbations() -> None:
    outline = Outline(render_page(in_program()))
    text = " ".join(outline.text)
    assert "The trigger, computed from the program, for class" in text
    assert "16 pixels replaced" in text
    assert "works on 100 % of 28 synthetic images, and on 0 % with the branch held shut" in text
    assert "It takes the place of" in text or "it takes the place of" in text
    assert "works on 95 % of 20 images" in text
    assert "Smallest pattern for" not in text


def test_an_overview_tells_clean_verdicts_apart_by_what_they_are_worth() -> None:
    known = replace(clean(), verdict=altered(clean().verdict, same_task="MNIST", reference=None))
    unknown = replace(clean(), verdict=altered(clean().verdict, same_task=None, reference=None))
    guessed = replace(known, assumptions=(Assumption("arch", "chain:fc", "order and shapes"),))
    said = [row(result, "").reason for result in (known, unknown, guessed)]
    assert said == ["", "task not recognised", "guessed wiring"]
    assert row(unknown, "").index_text == "0.40 / 1.40"


def test_a_test_that_found_nothing_is_no_failure_on_the_page_either() -> None:
    test = replace(
        found().confirmations[0],
        grade="refuted",
        evidence=tuple(
            replace(item, success_rate=0.0, controls=(0.0, 0.02))
            for item in found().confirmations[0].evidence
        ),
    )
    view = confirmation_view(test, ())
    assert view.title.endswith(": no result")
    assert view.words.startswith("The pattern was not found again")
