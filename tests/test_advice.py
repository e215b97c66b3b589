"""Errors, help and documents advise only commands and options that there are."""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from triggerfish.cli.detector_options import JUDGEMENT, scan_config
from triggerfish.cli.group import app
from triggerfish.detectors import DETECTORS
from triggerfish.reports.reasons import CHECKS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src/triggerfish").rglob("*.py"))
DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = {
    "--index-url", "--upgrade", "--check", "--array", "--time", "--requeue", "--cpus-per-task",
}  # fmt: skip
"""Options of pip, ruff and Slurm that documents and errors name."""
CONVERTERS = {
    "foreign.py": {
        "--model_dir", "--model_filename", "--params_filename", "--save_file",
        "--saved-model", "--graphdef", "--inputs", "--outputs", "--output",
    },
    "tflite.py": {"--tflite"},
}  # fmt: skip
"""Options of paddle2onnx and tf2onnx, by the source file that alone may name them."""


def commands(
    command: click.Command = app, words: str = "triggerfish"
) -> Iterator[tuple[str, click.Command]]:
    """Every command, groups too, by its full name."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{words} {name}")


def options_of(command: click.Command) -> set[str]:
    names = (name for item in command.params for name in (*item.opts, *item.secondary_opts))
    return {"--help", *names}


COMMANDS = dict(commands())
OPTIONS = set().union(*map(options_of, COMMANDS.values()))
SETTINGS = {*JUDGEMENT, *(field.name for made in DETECTORS.values() for field in fields(made))}
BENCHMARKS = {
    option
    for path in (ROOT / "benchmarks").glob("*.py")
    for option in re.findall(r'(?:add_argument|option)\(\s*"(--[a-z-]+)"', path.read_text())
}


def named_options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", text))


def strings(path: Path) -> Iterator[str]:
    """The texts in a source file, with ``WORD`` for what an f-string fills in."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    pieces = {id(piece) for node in joined for piece in node.values}
    for node in joined:
        words = (p.value if isinstance(p, ast.Constant) else "WORD" for p in node.values)
        yield "".join(map(str, words))
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in pieces
        ):
            yield node.value


def wrong(text: str) -> Iterator[str]:
    """What a text names and there is not: options, commands, options of another command."""
    yield from named_options(text) - OPTIONS - ELSEWHERE
    for line in re.findall(
        r"(?<!this )\btriggerfish ((?!as tf)[a-z](?:(?!triggerfish)[^\n`;])*)", text
    ):
        name, *words = "triggerfish", *(word.rstrip(".,:)") for word in line.split())
        while words and f"{name} {words[0]}" in COMMANDS:
            name = f"{name} {words.pop(0)}"
        if isinstance(COMMANDS[name], click.Group) and words and words[0].islower():
            yield f"{name} {words[0]}"
        else:
            yield from named_options(line) - options_of(COMMANDS[name])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raise --unheard-of", "--unheard-of"),
        ("see triggerfish shout", "triggerfish shout"),
        ("run triggerfish card make m.pt, or triggerfish card init m.pt", "triggerfish card make"),
        ("run triggerfish inspect m.pt --seed 1", "--seed"),
    ],
)
def test_what_there_is_not_is_found(text: str, found: str) -> None:
    assert list(wrong(text)) == [found]


def test_texts_in_the_code_name_only_what_there_is() -> None:
    found = {
        (path.name, w)
        for path in SOURCES
        for text in strings(path)
        for w in {*wrong(text)} - CONVERTERS.get(path.name, set())
    }
    assert found == set()


def test_documents_name_only_options_that_there_are() -> None:
    known = OPTIONS | BENCHMARKS | ELSEWHERE
    found = {(path.name, o) for path in DOCUMENTS for o in named_options(path.read_text()) - known}
    assert found == set()


@pytest.mark.parametrize("code", CHECKS)
def test_the_command_for_a_reason_is_accepted(code: str) -> None:
    """Down to the settings of the detector that it names."""
    file = shlex.quote(__file__)  # some commands ask for a file that is there
    blanks = {
        "model": file, "file": file, "index": 0, "score": 1, "seed": 2, "suspect": 1,
        "other_range": f"{file} --input-range 0,255",
    }  # fmt: skip
    _, name, *arguments = shlex.split(CHECKS[code].command.format(**blanks))
    parsed = COMMANDS[f"triggerfish {name}"].make_context(name, arguments).params
    if name == "scan":
        settings = {key: value for key, value in parsed.items() if key in SETTINGS}
        scan_config(parsed["detector"], parsed["preset"], 0, settings)
