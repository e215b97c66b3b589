"""Write docs/python.md from the public names themselves: ``make docs``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path

import triggerfish
from triggerfish.codec.fields import described_fields

TARGET = Path(__file__).parent / "python.md"
HEADER = """\
# Python

Made from the docstrings by `make docs`; a test fails when it is out of date, and runs the examples.

```python
import triggerfish as tf

result = tf.scan("model.pt")
print(result.verdict)  # backdoored (target class 7)

for result in tf.scan_files("models", out="run", jobs=4):  # as the command does
    print(result.path, result.verdict if isinstance(result, tf.Scanned) else result.reason)
```

Images are `(N, C, H, W)` in [0, 1] everywhere; K is the number of classes. A detector is a frozen
dataclass of its settings that is called on a `Classifier`; its fields are also the options of the
command line. What a scan returns is frozen data.

Three examples run as they stand: [a network of your own](../examples/own_module.py), [a gate with
rules of your own](../examples/gate.py), and a notebook, [from a stranger's checkpoint to a
decision](../examples/stranger.ipynb).
"""
GROUPS = {
    "Scanning": (
        "scan",
        "scan_files",
        "load_classifier",
        "Classifier",
        "Preprocessing",
        "LoadOptions",
        "Hints",
        "Cluster",
    ),
    "Detectors": (
        "Ensemble",
        "MinNorm",
        "Universal",
        "UniversalPairs",
        "PairwiseNorm",
        "L1Weight",
        "MMBD",
        "LastLayer",
        "Detector",
    ),
    "Judging": ("ScanConfig", "Judge", "Reference", "read_reference"),
    "Confirmation tests and repair": (
        "confirm",
        "ConfirmConfig",
        "Confirmation",
        "repair",
        "Repaired",
        "Unlearning",
        "ChannelPruning",
    ),
    "Results": (
        "Scanned",
        "Verdict",
        "ClassScores",
        "Status",
        "Finding",
        "Assumption",
        "Fact",
        "Perturbation",
        "Skipped",
    ),
    "Errors": (
        "TriggerfishError",
        "CheckpointError",
        "UnsupportedModelError",
        "DatasetError",
        "OutputError",
    ),
}


def reference() -> str:
    """The whole document."""
    return HEADER + "".join(
        f"\n## {group}\n" + "".join(map(_section, names)) for group, names in GROUPS.items()
    )


def _section(name: str) -> str:
    value = getattr(triggerfish, name)
    settings = "".join(_settings(value))
    table = f"\n| setting | default | meaning |\n|---|---|---|\n{settings}" if settings else ""
    docstring = inspect.cleandoc(value.__doc__ or "")
    fields = "".join(_fields(value))
    if fields:
        table += f"\n| field | meaning |\n|---|---|\n{fields}"
    return f"\n### `{name}`\n\n{_signature(name, value)}{_markdown(docstring)}\n{table}"


def _signature(name: str, value: object) -> str:
    """How it is called; nothing for what nobody calls or what its settings say already."""
    if not (inspect.isfunction(value) or name in ("Classifier", "Preprocessing", "Judge")):
        return ""
    lines, positional = list[str](), True
    for parameter in inspect.signature(value).parameters.values():  # type: ignore[arg-type]
        if positional and parameter.kind is parameter.KEYWORD_ONLY:
            lines.append("    *,")
            positional = False
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        lines.append(f"    {parameter.name}: {parameter.annotation}{default},")
    return "```python\n" + "\n".join([f"{name}(", *lines, ")"]) + "\n```\n\n"


def _settings(value: object) -> Iterator[str]:
    """Rows for the fields that users may set."""
    if not (inspect.isclass(value) and dataclasses.is_dataclass(value)):
        return
    for field in dataclasses.fields(value):
        if "help" in field.metadata:
            unit = f", in {field.metadata['unit']}" if field.metadata["unit"] else ""
            text = field.metadata["help"].replace("|", "\\|")
            yield f"| `{field.name}` | `{field.default!r}` | {text}{unit} |\n"


def _fields(value: object) -> Iterator[str]:
    """Rows for the fields that have a text below them in the source."""
    if not (inspect.isclass(value) and dataclasses.is_dataclass(value)):
        return
    texts = described_fields(value)
    for field in dataclasses.fields(value):
        if field.name in texts:
            text = texts[field.name].replace("``", "`").replace("|", "\\|")
            yield f"| `{field.name}` | {text} |\n"


def _markdown(docstring: str) -> str:
    """A docstring's sections as Markdown: arguments as a list, the example as code."""
    text, _, example = docstring.partition("Example:\n")
    lines, section = list[str](), ""
    for line in text.rstrip().replace("``", "`").split("\n"):
        if line in ("Args:", "Returns:", "Raises:"):
            section = line
            lines += [f"*{line.rstrip(':')}*", ""]
        else:
            lines.append(_line(line, section))
    code = f"\n\n```python\n{inspect.cleandoc(example)}\n```" if example else ""
    return "\n".join(lines) + code


def _line(line: str, section: str) -> str:
    """One line of a section: an item of a list begins with its name."""
    if section == "Returns:" or not section:
        return line.strip() if section else line
    if line.startswith("    ") and not line.startswith("     "):
        name, _, text = line.strip().partition(":")
        return f"- `{name}`:{text}"
    return f"  {line.strip()}" if line else ""


if __name__ == "__main__":
    TARGET.write_text(reference())
