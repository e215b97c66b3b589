"""What the product prints reads aloud: no worn words, in messages, help and pages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import triggerfish

ROOT = Path(triggerfish.__file__).parent
FORBIDDEN = re.compile(
    r"\b(dear|dearer|cheap|cheaper|cheapest|anew|nobody|turns|turned|stands)\b|"
    r"\b(is|are|was|were) called\b|second look|class in the middle",
    re.IGNORECASE,
)
DOCUMENTS = ("README.md", "docs/method.md", "docs/limits.md", "docs/repair.md", "docs/tutorial.md")


def messages(file: Path) -> Iterator[tuple[int, str]]:
    """The sentences of a module: texts with a space that are no docstrings."""
    tree = ast.parse(file.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def test_the_walk_sees_messages() -> None:
    found = [text for _, text in messages(ROOT / "reports" / "words.py")]
    assert any("an unusually small pattern sends images" in text for text in found)


def test_no_message_has_a_worn_word() -> None:
    for file in sorted(ROOT.rglob("*.py")):
        for line, text in messages(file):
            assert not FORBIDDEN.search(text), f"{file.relative_to(ROOT)}:{line}: {text!r}"


def test_extras_are_in_quotation_marks() -> None:
    """Without them zsh takes the brackets for a pattern of files."""
    for file in sorted(ROOT.rglob("*.py")):
        for line, text in messages(file):
            assert "install triggerfish[" not in text, f"{file.relative_to(ROOT)}:{line}: {text!r}"


@pytest.mark.parametrize("template", sorted(ROOT.rglob("*.j2")), ids=lambda path: path.name)
def test_no_page_has_a_worn_word(template: Path) -> None:
    """Between tags, where readers see it."""
    seen = re.sub(r"<[^>]*>|\{[{%#].*?[}%#]\}", " ", template.read_text("utf-8"), flags=re.DOTALL)
    assert not FORBIDDEN.search(seen), FORBIDDEN.search(seen)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_page_for_readers_has_a_worn_word(name: str) -> None:
    text = (ROOT.parents[1] / name).read_text("utf-8")
    assert not FORBIDDEN.search(text), FORBIDDEN.search(text)


def test_messages_say_grey() -> None:
    """One spelling of what is printed."""
    for file in sorted(ROOT.rglob("*.py")):
        for line, text in messages(file):
            assert not re.search(r"\bgray\b", text, re.IGNORECASE), f"{file}:{line}: {text!r}"
