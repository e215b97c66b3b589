from triggerfish.reports.summary import Summary, outcome, summarize
from triggerfish.results import Scanned, Skipped


def test_a_skipped_file_is_never_counted_as_scanned_or_clean(
    clean: Scanned, skipped: Skipped
) -> None:
    outcomes = [outcome(clean), outcome(skipped), "backdoored", "inconclusive", "inconclusive"]
    summary = summarize(outcomes)
    assert summary == Summary(scanned=4, flagged=1, inconclusive=2, skipped=1)
    assert str(summary) == "4 scanned: 1 flagged, 2 inconclusive, 1 clean; 1 skipped"
