"""The bill of materials, by the validator of the standard's own Python library."""

import json
from typing import Any

import pytest
from made_up import EVERYTHING, found

from triggerfish.reports import FORMATS

SchemaVersion = pytest.importorskip("cyclonedx.schema").SchemaVersion
validation = pytest.importorskip(
    "cyclonedx.validation.json", reason="pip install cyclonedx-python-lib[json-validation]"
)


def bill() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text())
    return document


def text() -> str:
    return "".join(FORMATS["cyclonedx"]([make() for make in EVERYTHING.values()]))


def test_it_is_valid() -> None:
    validator = validation.JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text()) is None
    assert validator.validate_str(text().replace('"SHA-256"', '"SHA-999"')) is not None


def test_every_file_is_a_component_with_its_hash() -> None:
    components = bill()["components"]
    assert [c["type"] for c in components] == ["machine-learning-model"] * 4 + ["file"] * 2
    assert components[0]["hashes"] == [{"alg": "SHA-256", "content": found().sha256}]
    assert components[0]["modelCard"]["modelParameters"]["modelArchitecture"] == "resnet20"
    outcomes = [c["properties"][0]["value"] for c in components]
    assert outcomes == [
        "backdoored", "clean", "inconclusive", "accepted", "dangerous", "skipped"
    ]  # fmt: skip


def test_findings_are_vulnerabilities_of_their_files() -> None:
    findings = bill()["vulnerabilities"]
    affected = {f["affects"][0]["ref"]: f["ratings"][0]["severity"] for f in findings}
    assert affected == {"model-0": "high", "model-3": "high", "model-4": "critical"}
    states = [f["analysis"]["state"] for f in findings]
    assert states == ["in_triage", "exploitable", "in_triage"]
    assert findings[1]["analysis"]["response"] == ["will_not_fix"]


def test_the_flagged_class_has_its_name() -> None:
    properties = bill()["components"][0]["properties"]
    assert {"name": "triggerfish:flagged class", "value": "7 horse"} in properties
