from datetime import date
from pathlib import Path

import pytest
from made_up import clean, dangerous, found

from triggerfish.acceptance import apply_acceptances, read_acceptances
from triggerfish.errors import AcceptanceError
from triggerfish.reports.summary import outcome
from triggerfish.results import Acceptance, Scanned

AB = "ab" * 32
ENTRY = f"""
[[accept]]
sha256 = "{AB}"
reason = "known test model"
until = 2031-01-01
"""


def listed(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    return file


def test_entries_by_their_sum(tmp_path: Path) -> None:
    second = ENTRY.replace("ab", "cd").replace("known", "another")
    assert read_acceptances(listed(tmp_path, ENTRY + second)) == {
        AB: Acceptance("known test model", date(2031, 1, 1)),
        "cd" * 32: Acceptance("another test model", date(2031, 1, 1)),
    }


def test_an_empty_list_accepts_nothing(tmp_path: Path) -> None:
    assert read_acceptances(listed(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "expected a TOML file"),
        ("accept = 3", r"expected \[\[accept\]\] tables alone"),
        (ENTRY + "[scan]\n", r"expected \[\[accept\]\] tables alone"),
        (ENTRY.replace("until = 2031-01-01", ""), "entry 1 of .* has no until: give it"),
        ("accept = [3]", "entry 1 of .* is no table"),
        (ENTRY.replace("reason", "raeson"), "has no reason: give it sha256, reason and until"),
        (ENTRY + "path = 'x'", "has path, which means nothing: give it sha256"),
        (ENTRY.replace(AB, "ab"), "expected 64 hexadecimal digits"),
        (ENTRY.replace("known test model", " "), "expected a reason in entry 1"),
        (ENTRY.replace("2031-01-01", '"2031-01-01"'), "expected a day such as 2027-01-01"),
        (ENTRY.replace("2031-01-01", "2031-01-01T00:00:00"), "expected a day such as"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AcceptanceError, match=message):
        read_acceptances(listed(tmp_path, text))


def test_a_missing_list_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AcceptanceError, match="No such file"):
        read_acceptances(tmp_path / "none.toml")


def test_accepted_until_the_last_day_and_not_after() -> None:
    acceptances = {AB: Acceptance("why", date(2026, 12, 31))}
    on_it = apply_acceptances(found(), acceptances, date(2026, 12, 31))
    assert outcome(on_it) == "accepted"
    after = apply_acceptances(found(), acceptances, date(2027, 1, 1))
    assert outcome(after) == "backdoored"
    assert isinstance(after, Scanned)
    assert after.verdict.notes[-1] == "accepted until 2026-12-31, which is over: why"


def test_only_the_file_that_is_listed() -> None:
    acceptances = {AB: Acceptance("why", date(2026, 12, 31))}
    today = date(2026, 1, 1)
    assert outcome(apply_acceptances(clean(), acceptances, today)) == "clean"
    assert outcome(apply_acceptances(dangerous(), acceptances, today)) == "dangerous"
    listed = {"12" * 32: Acceptance("why", date(2026, 12, 31))}
    assert outcome(apply_acceptances(dangerous(), listed, today)) == "accepted"
