"""JUnit XML, for continuous integration: a test case per model.

Flagged and dangerous files are failures, inconclusive verdicts errors, other files that were not
scanned and accepted ones skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.paragraph import paragraph
from triggerfish.reports.summary import outcome
from triggerfish.reports.text import printable
from triggerfish.reports.words import headline
from triggerfish.results import Scanned, Skipped

TAGS = {
    "backdoored": "failure",
    "dangerous": "failure",
    "inconclusive": "error",
    "skipped": "skipped",
    "accepted": "skipped",
}


def render_junit(results: Iterable[Scanned | Skipped], _: About = PLAIN) -> Iterator[str]:
    """One document with one suite, in one piece at the end."""
    suite, counts, seconds = ET.Element("testsuite"), Counter[str](), 0.0
    for result in results:
        suite.append(case := _case(result))
        counts.update(child.tag for child in case if child.tag in TAGS.values())
        seconds += result.seconds if isinstance(result, Scanned) else 0.0
    suite.attrib.update(
        name="triggerfish",
        tests=str(len(suite)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{seconds:.3f}",
    )
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root, " ")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield ET.tostring(root, encoding="unicode") + "\n"


def _case(result: Scanned | Skipped) -> ET.Element:
    name = "model" if result.path is None else printable(result.path)
    seconds = result.seconds if isinstance(result, Scanned) else 0.0
    case = ET.Element("testcase", name=name, classname="triggerfish.scan", time=f"{seconds:.3f}")
    found = outcome(result)
    if found in TAGS:
        message = ET.SubElement(case, TAGS[found], message=headline(result))
        if TAGS[found] != "skipped":
            message.set("type", found)
        message.text = paragraph(result)
    else:
        ET.SubElement(case, "system-out").text = paragraph(result)
    return case
