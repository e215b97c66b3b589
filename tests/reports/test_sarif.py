import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_up import EVERYTHING, accepted, clean, dangerous, found, unreadable

from triggerfish.reports import FORMATS
from triggerfish.reports.sarif import RULES
from triggerfish.results import Scanned, Skipped

SCHEMA = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json").read_text())
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)


def run_of(*results: Scanned | Skipped) -> Any:
    log = json.loads("".join(FORMATS["sarif"](results)))
    VALIDATOR.validate(log)
    return log["runs"][0]


def test_everything_passes_the_official_schema() -> None:
    assert SCHEMA["id"].endswith("/sarif-2.1.0-rtm.5.json")
    run_of(*(make() for make in EVERYTHING.values()))
    run_of()


def test_the_official_schema_is_awake() -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({"version": "2.1.0", "runs": [{"tool": {}}]})


def test_a_finding_per_model_and_none_for_a_clean_one() -> None:
    run = run_of(found(), clean(), dangerous(), unreadable())
    assert [r["ruleId"] for r in run["results"]] == ["backdoored", "dangerous", "not-scanned"]
    assert [r["level"] for r in run["results"]] == ["error", "error", "warning"]
    places = [
        r["locations"][0]["physicalLocation"]["artifactLocation"]["index"] for r in run["results"]
    ]
    assert places == [0, 2, 3]
    assert run["artifacts"][1]["hashes"] == {"sha-256": "cd" * 32}


def test_every_rule_helps_and_is_pointed_at_by_its_index() -> None:
    run = run_of(*(make() for make in EVERYTHING.values()))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    assert all(rule["help"]["text"] for rule in rules)
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])


def test_the_message_says_why() -> None:
    (flagged, evil) = run_of(found(), dangerous())["results"]
    assert "class 7 (horse)" in flagged["message"]["text"]
    assert "0.34 px" in flagged["message"]["text"]
    assert "os.system" in evil["message"]["text"]


def test_fingerprints_follow_the_file_and_the_finding_not_the_path() -> None:
    def fingerprint(result: Scanned) -> str:
        (only,) = run_of(result)["results"]
        (value,) = only["partialFingerprints"].values()
        return str(value)

    fields = vars(found())
    moved = Scanned(**{**fields, "path": Path("elsewhere.pt")})
    changed = Scanned(**{**fields, "sha256": "00" * 32})
    assert fingerprint(found()) == fingerprint(moved)
    assert fingerprint(found()) != fingerprint(changed)


def test_a_file_that_was_named_twice_is_one_artifact() -> None:
    run = run_of(found(), clean(), found())
    assert len(run["artifacts"]) == 2


def test_a_path_becomes_a_uri() -> None:
    run = run_of(found(), unreadable())
    uris = [artifact["location"]["uri"] for artifact in run["artifacts"]]
    assert uris == ["zoo/stranger%20model.pt", "zoo/%1B%5B31m%3Cb%3E%7Cbroken%0A.pt"]


def test_what_is_accepted_is_suppressed_with_its_reason() -> None:
    (result,) = run_of(accepted())["results"]
    assert result["ruleId"] == "backdoored"
    (suppression,) = result["suppressions"]
    assert suppression["justification"] == "until 2031-01-01: known test model"
