"""Everything but the images, for programs, by the schema that `json_schema` gives.

The fields of the results are written as they are, by `triggerfish.codec`; what stands here is what
a document has beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, get_args

from triggerfish.codec.plain import plain_of
from triggerfish.codec.revive import revived
from triggerfish.codec.scalars import Schema
from triggerfish.codec.schema import definitions
from triggerfish.codec.tensors import Shelf
from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.scope import KINDS, looked_for, not_looked_for
from triggerfish.reports.severity import Severity, severity_of
from triggerfish.reports.summary import Outcome, Summary, outcome, summarize
from triggerfish.results import Scanned, Skipped

SCHEMA_VERSION = 3
"""Grows when a field changes its meaning; a new field alone does not change it."""

_RESULTS: dict[str, type[Scanned] | type[Skipped]] = {"scanned": Scanned, "skipped": Skipped}


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of a document, of a line, and of a stored result."""
    name = f"results-{SCHEMA_VERSION}.schema.json"
    return (resources.files("triggerfish.reports") / "schema" / name).read_text("utf-8")


def render_json(results: Iterable[Scanned | Skipped], about: About = PLAIN) -> Iterator[str]:
    """One document: ``schema_version``, ``results`` and the ``summary`` counts.

    It comes in one piece at the end; a result's images are let go as soon as it is converted.
    """
    converted, outcomes = [], []
    for result in results:
        converted.append(as_dict(result))
        outcomes.append(outcome(result))
    document = {
        "schema_version": SCHEMA_VERSION,
        "results": converted,
        "summary": plain_of(summarize(outcomes, about.other_files)),
    }
    yield json.dumps(document, indent=1, allow_nan=False) + "\n"


def render_json_lines(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """One line a result as it comes, each a stored result by itself: for streams."""
    for result in results:
        yield json.dumps(stored(result), allow_nan=False) + "\n"


def render_result(result: Scanned | Skipped) -> str:
    """One result as a JSON document of its own."""
    return json.dumps(stored(result), indent=1, allow_nan=False) + "\n"


def stored(result: Scanned | Skipped) -> dict[str, Any]:
    """One result as plain data that says by which schema."""
    return {"schema_version": SCHEMA_VERSION, **as_dict(result)}


def as_dict(result: Scanned | Skipped, shelf: Shelf | None = None) -> dict[str, Any]:
    """One result as plain data; what was not measured is None.

    ``shelf`` gets the tensors that it leaves out: what `artefacts` puts into a file beside it.
    """
    scanned = isinstance(result, Scanned)
    data: dict[str, Any] = {
        "status": "scanned" if scanned else "skipped",
        "outcome": outcome(result),
        **plain_of(result, shelf),
    }
    if isinstance(result, Scanned):
        severity = severity_of(result.verdict)
        data |= {
            "severity": None if severity is None else plain_of(severity),
            "looked_for": looked_for(result),
            "not_looked_for": not_looked_for(result),
        }
    return data


def result_of(data: object, shelf: Shelf | None = None) -> Scanned | Skipped:
    """The result that `as_dict` has made ``data`` of; its tensors come from ``shelf``.

    Raises:
        ValueError: it was made of something else.
    """
    status = data.get("status") if isinstance(data, dict) else None
    kind = _RESULTS.get(str(status))
    if kind is None:
        raise ValueError(f"expected the status {' or '.join(_RESULTS)}, got {status!r}")
    return revived(kind, data, shelf)


def make_schema() -> str:
    """The schema that ships, from the types of the results: ``make docs`` writes it."""
    found = definitions(Scanned, Skipped, Summary, Severity)
    version: dict[str, Schema] = {
        "schema_version": {"const": SCHEMA_VERSION, "description": "The version of this schema."}
    }
    whole = dict[str, Schema]()
    for status, kind in _RESULTS.items():
        extra: dict[str, Schema] = {
            "status": {"const": status, "description": "Whether the file was scanned."},
            "outcome": {
                "enum": list(get_args(Outcome)),
                "description": "What it counts as in the summary.",
            },
        }
        if kind is Scanned:
            kinds: Schema = {"type": "array", "items": {"enum": list(KINDS)}}
            extra |= {
                "severity": {
                    "oneOf": [{"type": "null"}, _ref("severity")],
                    "description": "How strong the flag is; null where nothing is flagged.",
                },
                "looked_for": {**kinds, "description": "Kinds of backdoor that were looked for."},
                "not_looked_for": {**kinds, "description": "The other kinds."},
            }
        record = found[status]
        record["properties"] = {**version, **extra, **record["properties"]}
        # The results for other parts of a file stand in one, and say nothing of it again.
        whole[status] = {"allOf": [_ref(status), {"required": list(extra)}]}
    found["document"] = {
        "type": "object",
        "properties": {
            **version,
            "results": {
                "type": "array",
                "items": {"oneOf": list(whole.values())},
                "description": "One for each file.",
            },
            "summary": {**_ref("summary"), "description": "How many ended how."},
        },
        "required": ["schema_version", "results", "summary"],
    }
    for status in _RESULTS:
        stored_by_itself: Schema = {"required": ["schema_version"]}
        found[f"stored_{status}"] = {"allOf": [whole[status], stored_by_itself]}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:triggerfish:results:{SCHEMA_VERSION}",
        "title": f"Results of Triggerfish, version {SCHEMA_VERSION}",
        "description": "A document of `--format json`, or one stored result or line of "
        "`--format jsonl`. A number that was not measured is null.",
        "oneOf": [_ref(name) for name in ("document", "stored_scanned", "stored_skipped")],
        "$defs": found,
    }
    return json.dumps(schema, indent=1) + "\n"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
