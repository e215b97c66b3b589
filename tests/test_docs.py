import importlib.util
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
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


def blocks(document: Path) -> Iterator[str]:
    """Commands in indented and in ``console`` blocks, without comments and shell around them."""
    for line in re.findall(
        r"^(?:    |\$ |       )(triggerfish [^\n]*)$", document.read_text(), re.M
    ):
        yield re.split(r" #|\s*[|;&>]", line)[0].strip()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_documents_parse(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real parser, each value checked; files that they name are there, but empty."""
    monkeypatch.chdir(tmp_path)
    for line in blocks(document):
        if re.search(r"[A-Z]{4,}|\.\.\.|\\$|\[|%|\$", line):
            continue  # a placeholder, or more than one line
        words = shlex.split(line)
        path = "triggerfish"
        while len(words) > 1 and f"{path} {words[1]}" in COMMANDS:
            path = f"{path} {words.pop(1)}"
        if path not in COMMANDS or " attack negative" in line or " /" in line:
            continue  # what an example would add, or a place of somebody else's machine
        for word in words[1:]:
            place = Path(word)
            if word.startswith("-") or place.is_absolute() or place.exists():
                continue
            if place.suffix:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            elif re.fullmatch(r"[\w/-]+", word) and not word.isdigit():
                place.mkdir(parents=True, exist_ok=True)
        for out in (Path(words[i + 1]) for i, w in enumerate(words[:-1]) if w == "--out"):
            if out.is_file():
                out.unlink()
        try:
            with suppress(click.exceptions.Exit):  # after --help
                COMMANDS[path].make_context(path, words[1:])
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.format_message()}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
        assert (document.parent / link).exists(), link
    for link, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", text):
        page = (document.parent / link) if link else document
        assert anchor in anchors(page.read_text()), f"{link}#{anchor}"


def anchors(text: str) -> list[str]:
    """Names of the headings, as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings]


def test_the_layout_names_every_room_of_the_package_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    layout = page.partition("```\n")[2].partition("```")[0]
    package = ROOT / "src/triggerfish"
    rooms = {path.stem for path in package.iterdir() if path.suffix in ("", ".py")}
    rooms = {room for room in rooms if not room.startswith("_")}
    assert rooms <= set(re.findall(r"\w+", layout))
    for folder in re.findall(r"^ *([\w/]+)/ ", layout, re.MULTILINE):
        assert (ROOT / folder).is_dir() or any(package.rglob(folder)), folder


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "src/triggerfish/data/mnist/LICENSE.md"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_files_that_a_document_names_are_there(document: Path) -> None:
    """In code spans, from the root or from the package on, as docs/architecture.md has them."""
    for name in re.findall(r"`((?:\w[\w.-]*/)+\w[\w.-]*\.(?:py|md|toml))`", document.read_text()):
        places = (ROOT / name, ROOT / "src/triggerfish" / name, document.parent / name)
        assert any(place.exists() for place in places), name


def test_no_document_names_an_unknown_make_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z]+)", document.read_text(), re.M))
        assert named <= targets, document
