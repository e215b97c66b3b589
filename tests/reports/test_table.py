from triggerfish.reports import FORMATS
from triggerfish.results import Scanned, Skipped

EXPECTED = r"""verdict          target  anomaly index       p-value  seconds  model
backdoored            2          24.12  uncalibrated      1.2  zoo/bad.pt: class 1 unreachable [unreachable]
clean                 -           1.00           0.5      0.5  zoo/good.pt
skipped               -              -             -        -  zoo/\x1b[31mbroken.pt: expected a checkpoint, got text: remove it
2 scanned: 1 flagged, 0 inconclusive, 1 clean; 1 skipped
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
