"""SARIF 2.1.0, for code-scanning dashboards: a finding per model, none for a clean one.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from triggerfish._version import __version__
from triggerfish.codec.plain import as_plain
from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.paragraph import paragraph
from triggerfish.reports.summary import outcome, parts_of
from triggerfish.reports.text import printable
from triggerfish.results import Scanned, Skipped
from triggerfish.results.deciding import index_and_threshold

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Rule:
    """What a finding of a kind means. ``severity`` is GitHub's scale from 0 to 10."""

    level: str
    severity: str
    title: str
    help: str


RULES: dict[str, Rule] = {
    "backdoored": Rule(
        "error",
        "8.0",
        "An image classifier is likely backdoored",
        "A small pattern or the file's own program sends images to a class, as a backdoor does. "
        "Do not deploy the model before somebody has seen the evidence. A flag is evidence, not "
        "proof: clean models have natural shortcuts, too.",
    ),
    "dangerous": Rule(
        "error",
        "9.0",
        "Opening a model file would run code",
        "The file imports names that no model needs. Unpickling it would run them. Triggerfish did "
        "not open it. Ask for the weights as safetensors or as a plain state dict.",
    ),
    "inconclusive": Rule(
        "warning",
        "4.0",
        "It is not known whether an image classifier is backdoored",
        "The scan gave a reason not to trust its own answer. Do what the reason says and scan "
        "again; until then treat the model as not scanned.",
    ),
    "not-scanned": Rule(
        "warning",
        "4.0",
        "A model file was not scanned",
        "It could not be read, or not be scanned. It does not count as clean.",
    ),
}


def render_sarif(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """One log with one run, in one piece at the end."""
    findings: list[dict[str, object]] = []
    artifacts: list[dict[str, object]] = []
    for result in results:
        # A file that was named twice is one artifact: they must be unique.
        if (artifact := _artifact(result)) not in artifacts:
            artifacts.append(artifact)
        if (found := rule_of(result)) is not None:
            findings.append(_result(result, found, artifacts.index(artifact)))
    driver = {
        "name": "triggerfish",
        "semanticVersion": __version__,
        "shortDescription": {"text": "Finds backdoors in image classifiers from the model alone."},
        "rules": [_described(code, rule) for code, rule in RULES.items()],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": artifacts,
        "results": findings,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    yield json.dumps(as_plain(log), indent=1, allow_nan=False) + "\n"


def rule_of(result: Scanned | Skipped) -> str | None:
    """The rule that a result falls under, also where it is accepted; None when it is clean."""
    if isinstance(result, Skipped):
        return "dangerous" if result.kind == "dangerous" else "not-scanned"
    return None if result.verdict.name == "clean" else result.verdict.name


def _described(code: str, rule: Rule) -> dict[str, object]:
    return {
        "id": code,
        "name": "".join(part.capitalize() for part in code.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.title}. {rule.help}"},
        "help": {"text": rule.help, "markdown": rule.help},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"security-severity": rule.severity, "tags": ["security", "ml"]},
    }


def _artifact(result: Scanned | Skipped) -> dict[str, object]:
    artifact: dict[str, object] = {"location": _location(result), "roles": ["analysisTarget"]}
    if result.sha256 is not None:
        artifact["hashes"] = {"sha-256": result.sha256}
    return artifact


def _location(result: Scanned | Skipped) -> dict[str, object]:
    path = Path("model" if result.path is None else result.path)
    raw = path.as_posix().encode("utf-8", "surrogateescape")
    return {"uri": f"file://{quote(raw)}" if path.is_absolute() else quote(raw)}


def _result(result: Scanned | Skipped, code: str, index: int) -> dict[str, object]:
    found: dict[str, object] = {
        "ruleId": code,
        "ruleIndex": list(RULES).index(code),
        "level": RULES[code].level,
        "message": {"text": paragraph(result)},
        "locations": [
            {"physicalLocation": {"artifactLocation": {**_location(result), "index": index}}}
        ],
        "partialFingerprints": {"triggerfish/v1": fingerprint(result, code)},
        "properties": _properties(result),
    }
    if outcome(result) == "accepted" and result.accepted is not None:
        why = f"until {result.accepted.until.isoformat()}: {result.accepted.reason}"
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return found


def fingerprint(result: Scanned | Skipped, code: str) -> str:
    """The same for the same finding on the same file, wherever it lies."""
    flagged = result.verdict.flagged if isinstance(result, Scanned) else ()
    what = [code, result.sha256 or str(result.path), *map(str, flagged)]
    return hashlib.sha256("\n".join(what).encode("utf-8", "surrogateescape")).hexdigest()


def _properties(result: Scanned | Skipped) -> dict[str, object]:
    if isinstance(result, Skipped):
        return {"kind": result.kind, "imports": result.imports}
    verdict = result.verdict
    index, threshold = index_and_threshold(verdict)
    return {
        "flagged": verdict.flagged,
        "largestAnomalyIndex": index,
        "threshold": threshold,
        "pValue": verdict.p_value,
        "reference": verdict.reference,
        "reasons": [reason.code for reason in verdict.reasons],
        "parts": {part: printable(verdict) for part, verdict in parts_of(result)},
    }
