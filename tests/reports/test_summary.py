from dataclasses import replace

from made_up import accepted, dangerous

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
    assert (summary.scanned, summary.clean, summary.accepted, summary.dangerous) == (0, 0, 1, 1)
    assert str(summary) == (
        "0 scanned: 0 flagged, 0 inconclusive, 0 clean; 0 skipped; 1 dangerous; 1 accepted; "
        "3 other files not looked at (.txt 2, none 1)"
    )


def test_a_clean_file_needs_no_acceptance(clean: Scanned) -> None:
    acceptance = accepted().accepted
    assert outcome(replace(clean, accepted=acceptance)) == "clean"
    assert outcome(replace(dangerous(), accepted=acceptance)) == "accepted"
