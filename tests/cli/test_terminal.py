import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import in_terminal

from triggerfish.cli import progress
from triggerfish.search.progress import report

pytest.importorskip("pty")


def test_a_share_that_was_said_never_falls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Networks and readings of a file are parts of its work, and each begins at nought."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)

    def items() -> Iterator[int]:
        for part in (0.25, 0.75, 0.125, 0.875):
            report(part)
        yield 1

    assert list(progress.track(items(), 2, "scanning")) == [1]
    shares = re.findall(r"scanning: (\d+) %", capsys.readouterr().err)
    assert shares == ["12", "38", "38", "44", "50"]


def test_rows_stand_above_the_bar_and_the_bar_goes(models: Path) -> None:
    code, screen = in_terminal("scan", "--detector", "min-norm", "--steps", 4, "--jobs", 1, models)
    assert code == 1
    lines = [line for line in screen.lines if line.strip()]
    # Below the rows come the reasons, the summary, and where the pattern can be looked at.
    rows = [line.split()[0] for line in (*lines[:3], lines[-2])]
    assert rows == ["verdict", "clean", "backdoored", "2"], lines
    assert lines[1].endswith("clean.pt")
    assert lines[2].endswith("planted.pt")
    assert any("0 of 2, 0 flagged, left:" in line for line in screen.seen), screen.seen
    assert not any(line.startswith("scanning") and "backdoored" in line for line in screen.seen)
