"""CycloneDX 1.6, for inventories: a component per model, a vulnerability per finding.

https://cyclonedx.org/docs/1.6/json/ A document of the same results is the same bytes: it has
neither a serial number nor a time, which whoever puts it into an inventory adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from triggerfish._version import __version__
from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.paragraph import paragraph
from triggerfish.reports.sarif import RULES, fingerprint, rule_of
from triggerfish.reports.scope import KINDS, not_looked_for
from triggerfish.reports.summary import outcome
from triggerfish.reports.text import number, printable
from triggerfish.results import Scanned, Skipped
from triggerfish.results.deciding import index_and_threshold

SEVERITIES = {"backdoored": "high", "dangerous": "critical"}
CWES = {"backdoored": 506, "dangerous": 502}
"""Embedded malicious code; deserialization of untrusted data (https://cwe.mitre.org)."""


def render_cyclonedx(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """One bill of materials, in one piece at the end."""
    components, vulnerabilities = [], list[dict[str, object]]()
    for place, result in enumerate(results):
        reference = f"model-{place}"
        components.append(_component(result, reference))
        vulnerabilities += _vulnerabilities(result, reference)
    tool = {"type": "application", "name": "triggerfish", "version": __version__}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"tools": {"components": [tool]}},
        "components": components,
        "vulnerabilities": vulnerabilities,
    }
    yield json.dumps(document, indent=1, allow_nan=False) + "\n"


def _component(result: Scanned | Skipped, reference: str) -> dict[str, object]:
    """A file that was not scanned need not be a model."""
    name = "model in memory" if result.path is None else printable(result.path)
    component: dict[str, object] = {
        "type": "machine-learning-model" if isinstance(result, Scanned) else "file",
        "bom-ref": reference,
        "name": name,
    }
    if result.sha256 is not None:
        component["hashes"] = [{"alg": "SHA-256", "content": result.sha256}]
    if isinstance(result, Scanned):
        component["modelCard"] = _model_card(result)
    component["properties"] = [
        {"name": f"triggerfish:{name}", "value": value} for name, value in _properties(result)
    ]
    return component


def _model_card(result: Scanned) -> dict[str, object]:
    """What the network was taken for, what was measured, and what was not looked for."""
    known = {item.name: item.value for item in result.assumptions}
    known |= {item.name: item.value for item in result.facts}
    parameters: dict[str, object] = {"task": "image classification"}
    if name := known.get("arch", known.get("network")):
        parameters["modelArchitecture"] = printable(name)
    index, _ = index_and_threshold(result.verdict)
    metrics = [{"type": "largest anomaly index", "value": number(index) or "not measured"}]
    limits = [f"Not looked for: {KINDS[kind]}" for kind in not_looked_for(result)]
    return {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {"technicalLimitations": limits},
    }


def _properties(result: Scanned | Skipped) -> Iterator[tuple[str, str]]:
    yield "outcome", outcome(result)
    if isinstance(result, Scanned):
        yield "verdict", result.verdict.name
        yield "detector", result.detector
        _, threshold = index_and_threshold(result.verdict)
        yield "threshold", number(threshold) or "none"
        yield from (("reason", reason.code) for reason in result.verdict.reasons)
        yield from (
            ("flagged class", f"{k} {printable(name)}".strip())
            for k in result.verdict.flagged
            for name in (result.class_names[k] if k < len(result.class_names) else "",)
        )
    else:
        yield "reason", printable(result.reason)


def _vulnerabilities(result: Scanned | Skipped, reference: str) -> Iterator[dict[str, object]]:
    rule = rule_of(result)
    if rule is None or rule not in SEVERITIES:
        return
    yield {
        "id": f"triggerfish-{rule}-{fingerprint(result, rule)[:16]}",
        "source": {"name": "triggerfish"},
        "ratings": [{"severity": SEVERITIES[rule], "method": "other"}],
        "cwes": [CWES[rule]],
        "description": RULES[rule].title,
        "detail": paragraph(result),
        "recommendation": RULES[rule].help,
        "affects": [{"ref": reference}],
        "analysis": _analysis(result),
    }


def _analysis(result: Scanned | Skipped) -> dict[str, object]:
    """Nobody has looked at it yet, or somebody has accepted it."""
    if result.accepted is None:
        return {"state": "in_triage"}
    why = f"accepted until {result.accepted.until.isoformat()}: {printable(result.accepted.reason)}"
    return {"state": "exploitable", "response": ["will_not_fix"], "detail": why}
