"""Small scans say what they said before, field by field; `golden` tells what is compared."""

import json
from typing import Any

import golden
import pytest

NEAR = 0.15  # of scores: another processor adds in another order


def near(value: Any) -> Any:
    """The same, with numbers that may be a little off."""
    if isinstance(value, dict):
        return {k: near(v) for k, v in value.items()}
    if isinstance(value, list):
        return [near(v) for v in value]
    return pytest.approx(value, rel=NEAR, abs=NEAR) if isinstance(value, float) else value


@pytest.mark.parametrize("name", golden.SCANS)
def test_a_scan_gives_the_result_that_is_on_record(name: str) -> None:
    recorded = json.loads((golden.FOLDER / f"{name}.json").read_text())
    assert golden.plain(golden.SCANS[name]()) == near(recorded)
