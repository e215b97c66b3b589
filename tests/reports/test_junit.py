from xml.etree import ElementTree as ET

from made_up import EVERYTHING, found

from triggerfish.reports import FORMATS


def suite() -> ET.Element:
    text = "".join(FORMATS["junit"]([make() for make in EVERYTHING.values()]))
    (only,) = ET.fromstring(text)
    return only


def test_counts_are_those_of_the_cases() -> None:
    counts = {key: suite().get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "2", "errors": "1", "skipped": "2"}


def test_how_each_model_ends() -> None:
    tags = [next(iter(case)).tag for case in suite()]
    assert tags == ["failure", "system-out", "error", "skipped", "failure", "skipped"]
    assert suite()[0][0].get("type") == "backdoored"
    assert "0.34 px" in (suite()[0][0].text or "")


def test_a_hostile_name_does_not_break_the_document() -> None:
    assert suite()[5].get("name") == r"zoo/\x1b[31m<b>|broken\n.pt"


def test_seconds_add_up() -> None:
    assert suite().get("time") == f"{4 * found().seconds:.3f}"
