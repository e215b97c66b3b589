import json
from dataclasses import replace

from made_up import accepted, clean, dangerous, found

from triggerfish.reports import FORMATS
from triggerfish.reports.html import render_page
from triggerfish.reports.summary import Summary, outcome, summarize
from triggerfish.results import Scanned, Skipped


def test_a_skipped_file_is_never_counted_as_scanned_or_clean(
    clean: Scanned, skipped: Skipped
) -> None:
    outcomes = [outcome(clean), outcome(skipped), "backdoored", "inconclusive", "inconclusive"]
    summary = summarize(outcomes)
    assert summary == Summary(scanned=4, flagged=1, inconclusive=2, skipped=1)
    assert str(summary) == "4 scanned: 1 flagged, 2 inconclusive, 1 clean; 1 skipped"


def test_an_accepted_file_is_neither_clean_nor_flagged() -> None:
    summary = summarize([outcome(accepted()), outcome(dangerous())], {".txt": 2, "none": 1})
    assert (summary.scanned, summary.clean, summary.accepted, summary.dangerous) == (1, 0, 1, 1)
    assert str(summary) == (
        "1 scanned: 0 flagged, 0 inconclusive, 0 clean, 1 accepted; 0 skipped; 1 dangerous; "
        "3 other files that are no models (.txt 2, none 1)"
    )


def test_one_other_file() -> None:
    assert str(summarize([], {".txt": 1})).endswith("; 1 other file that is no model (.txt 1)")


def test_a_clean_file_needs_no_acceptance(clean: Scanned) -> None:
    acceptance = accepted().accepted
    assert outcome(replace(clean, accepted=acceptance)) == "clean"
    assert outcome(replace(dangerous(), accepted=acceptance)) == "accepted"


def test_every_report_names_the_other_networks_of_a_file() -> None:
    other = replace(clean(), part="ema")
    both = replace(found(), part="model", others=(other,))
    assert "ema: clean" in "".join(FORMATS["csv"]([both]))
    (result,) = json.loads("".join(FORMATS["sarif"]([both])))["runs"][0]["results"]
    assert result["properties"]["parts"] == {"model": str(both.verdict), "ema": "clean"}
    assert "<dt>part ema of it</dt>" in render_page(both)
    assert "part ema of the file: clean" in "".join(FORMATS["table"]([both]))
