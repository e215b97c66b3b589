"""Every output of ours against the schema that ships, closed: no field that it does not know."""

import json
import math
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from made_up import EVERYTHING, found, in_program
from verdicts import altered

from triggerfish.codec.plain import LARGEST
from triggerfish.reports import FORMATS
from triggerfish.reports.about import About
from triggerfish.reports.json_report import SCHEMA_VERSION, as_dict, json_schema, render_result

SCHEMA = json.loads(json_schema())


def closed(schema: Any) -> Any:
    """The schema with every object limited to the properties it lists."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


STRICT = jsonschema.Draft202012Validator(
    closed(SCHEMA), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def test_the_schema_is_one_and_says_its_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:triggerfish:results:{SCHEMA_VERSION}"


def test_every_field_is_described() -> None:
    """By the text below it where its type is declared."""
    silent = [
        f"{name}.{field}"
        for name, definition in SCHEMA["$defs"].items()
        for field, schema in definition.get("properties", {}).items()
        if not schema.get("description")
    ]
    assert not silent, "write a text under these fields, and run: make docs"


def test_descriptions_are_those_in_the_source() -> None:
    properties = SCHEMA["$defs"]["perturbation"]["properties"]
    assert properties["delta"]["description"] == (
        "(C, H, W) in [-1, 1]: it is added, and the sum clamped to [0, 1]."
    )
    flags = SCHEMA["$defs"]["evidence"]["properties"]["flags"]  # a property, by its docstring
    assert flags["description"] == "Whether it speaks for its hypothesis."


def test_a_trigger_of_a_program_follows_the_schema() -> None:
    STRICT.validate(json.loads(render_result(in_program())))


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_stored_result(name: str) -> None:
    STRICT.validate(json.loads(render_result(EVERYTHING[name]())))


def test_a_document_and_its_lines() -> None:
    results = [make() for make in EVERYTHING.values()]
    about = About(other_files={".txt": 3})
    document = json.loads("".join(FORMATS["json"](results, about)))
    STRICT.validate(document)
    assert document["summary"]["other_files"] == {".txt": 3}
    lines = list(FORMATS["jsonl"](results))
    assert len(lines) == len(results)
    for line in lines:
        STRICT.validate(json.loads(line))


def test_nothing_measured_is_null_and_valid() -> None:
    result = found()
    verdict = altered(result.verdict, threshold=math.nan, index=(math.inf,) * 10)
    stored = json.loads(render_result(replace(result, verdict=verdict)))
    STRICT.validate(stored)
    # What is infinite is stored as the largest float: a level that nothing reaches is no null.
    assert (stored["threshold"], stored["anomaly_index"]) == (None, [LARGEST] * 10)
    verdict = altered(result.verdict, threshold=math.inf, index=(math.nan,) * 10)
    stored = json.loads(render_result(replace(result, verdict=verdict)))
    STRICT.validate(stored)
    assert (stored["threshold"], stored["anomaly_index"]) == (LARGEST, [None] * 10)


@pytest.mark.parametrize("field", ["threshold", "reasons", "looked_for", "outcome"])
def test_the_schema_refuses_what_is_missing_or_wrong(field: str) -> None:
    stored = {"schema_version": SCHEMA_VERSION, **as_dict(found())}
    with pytest.raises(jsonschema.ValidationError):
        STRICT.validate({**stored, field: "nonsense"})
    with pytest.raises(jsonschema.ValidationError):
        STRICT.validate({k: v for k, v in stored.items() if k != field})


def test_it_says_what_was_looked_for_and_what_was_not() -> None:
    stored = as_dict(found())
    assert stored["looked_for"] == [
        "universal-pixel", "universal-frequency", "all-to-all", "class-pairs"
    ]  # fmt: skip
    assert "input-dependent" in stored["not_looked_for"]  # type: ignore[operator]
