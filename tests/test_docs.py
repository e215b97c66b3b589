import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from triggerfish.cli.group import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]


def load_generator() -> object:
    spec = importlib.util.spec_from_file_location("generator", ROOT / "docs/make_cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference()


def commands(
    group: click.Group = app, path: str = "triggerfish"
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands())


def test_the_command_reference_is_current() -> None:
    assert (ROOT / "docs/cli.md").read_text() == load_generator(), "run: make docs"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help(path: str) -> None:
    command = COMMANDS[path]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{path} {option.opts[0]}"


def quoted_commands(document: Path) -> Iterator[str]:
    """Lines that call triggerfish, in code blocks and in code spans."""
    text = document.read_text()
    yield from re.findall(r"^\s*(?:\$ )?(triggerfish [^\n]*)$", text, re.MULTILINE)
    yield from re.findall(r"`(triggerfish [^`\n]*)`", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_documents_exist(document: Path) -> None:
    for line in quoted_commands(document):
        words = line.split()
        path = "triggerfish"
        for word in words[1:]:
            if f"{path} {word}" not in COMMANDS:
                break
            path = f"{path} {word}"
        assert path in COMMANDS or words[1:2] in ([], ["--version"], ["--help"], ["-h"]), line
        known = {o for p in COMMANDS[path].params for o in p.opts} if path in COMMANDS else set()
        used = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line))
        assert used <= known | {"--help", "--version"}, line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / link).exists(), link


def test_the_layout_names_every_room_of_the_package_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    layout = page.partition("```\n")[2].partition("```")[0]
    package = ROOT / "src/triggerfish"
    rooms = {path.stem for path in package.iterdir() if path.suffix in ("", ".py")}
    rooms = {room for room in rooms if not room.startswith("_")}
    assert rooms <= set(re.findall(r"\w+", layout))
    for folder in re.findall(r"^ *([\w/]+)/ ", layout, re.MULTILINE):
        assert (ROOT / folder).is_dir() or any(package.rglob(folder)), folder


def test_no_document_names_an_unknown_make_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z]+)", document.read_text(), re.M))
        assert named <= targets, document
