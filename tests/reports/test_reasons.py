import re
from pathlib import Path

from made_up import clean

import triggerfish
from triggerfish.reports.reasons import CHECKS, next_step
from triggerfish.results import Finding, Status

ROOT = Path(triggerfish.__file__).parent
CODE = re.compile(r"Finding\(\s*\"([a-z-]+)\"")


def raised() -> set[str]:
    """Codes that the package gives to findings; two are made from statuses."""
    texts = (
        file.read_text()
        for folder in ("verdict", "scanning.py", "runs")
        for file in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
    )
    found = {code for text in texts for code in CODE.findall(text)}
    return found | {s.value.replace("_", "-") for s in (Status.UNREACHABLE, Status.CAP_REACHED)}


def test_every_reason_has_a_question_and_a_next_step() -> None:
    assert raised() <= set(CHECKS)


def test_the_limits_explain_every_reason() -> None:
    text = (ROOT.parents[1] / "docs" / "limits.md").read_text()
    assert {code for code in CHECKS if f"`{code}`" not in text} == set()


def test_a_finding_with_a_command_of_its_own_wins_and_paths_are_quoted() -> None:
    own = Finding("ties", "expected A, got B", "triggerfish scan x")
    assert next_step(clean(), own) == "triggerfish scan x"
    usual = Finding("unreachable", "expected A, got B")
    assert (next_step(clean(), usual) or "").startswith("triggerfish scan zoo/good.pt ")
    assert next_step(clean(), Finding("unheard-of", "expected A, got B")) is None
