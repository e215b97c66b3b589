from pathlib import Path

import pytest
from processes import in_terminal

pytest.importorskip("pty")


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
