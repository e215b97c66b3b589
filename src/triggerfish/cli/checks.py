"""What is wrong with a line before anything is opened: no PyTorch in here, nor anything slow."""

from __future__ import annotations

import ast
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from triggerfish.cli.numbers import check_counts

HUB = "hf://"
_NUMBER = re.compile(r"-?\d*\.?\d+,?")


class ExistingPath(click.Path):
    """A path that has to be there; where it is not, one of a name like it is offered."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's own
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """The path; raises `click.UsageError` when it is not there."""
        if not os.path.lexists(value) and not str(value).startswith(HUB):
            raise click.UsageError(no_such_file(Path(value)))
        return super().convert(value, param, ctx)


def no_such_file(path: Path) -> str:
    """That there is no such file, and which one may be meant."""
    try:
        names = [item.name for item in path.parent.iterdir()]
    except OSError:
        return f"{path}: no such file, and no folder {path.parent}"
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"{path}: no such file" + (f", did you mean {path.parent / near[0]}?" if near else "")


def some_exist(_: click.Context, __: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Click callback: paths of which at least one is there; the others become skipped files.

    A number that is no file was meant for the option before it, and the scan would go on without.
    """
    there = [str(path).startswith("hf:") or os.path.lexists(path) for path in paths]
    if paths and not any(there) and "-" not in map(str, paths):
        raise click.UsageError(no_such_file(paths[0]))
    for path, exists in zip(paths, there, strict=True):
        if not exists and _NUMBER.fullmatch(str(path)):
            raise click.UsageError(
                f"{path}: no such file. Several numbers of one option take commas, "
                "such as --mean 0.485,0.456,0.406"
            )
    return paths


def shard(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Click callback: a share like 1/4."""
    if text is None:
        return None
    index, slash, count = text.partition("/")
    fine = slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)
    if not fine:
        raise click.UsageError(f"--shard takes a share of all, such as 1/4, not {text}")
    return text


def address(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Click callback: the address of a cluster; a path after ``--ray`` is a mistake."""
    if text is not None and Path(text).exists():
        raise click.UsageError(
            f"--ray takes the address of a Ray cluster, not the path {text}: "
            "write --ray=auto, or --ray=local to start one here"
        )
    return text


def architecture(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Click callback: a Python file has to come with the name of what is in it."""
    file, colon, _name = (text or "").partition(":")
    if not file.endswith(".py"):
        return text
    if not Path(file).is_file():
        raise click.UsageError(f"--arch {text}: {no_such_file(Path(file))}")
    if not colon:
        names = _names_in(Path(file)) or ["NAME"]
        ways = " or ".join(f"--arch {file}:{name}" for name in names[:3])
        raise click.UsageError(f"--arch {file} does not say which network of the file: {ways}")
    return text


def _names_in(file: Path) -> list[str]:
    """The classes and functions of a file, classes first; it is read, never run."""
    try:
        body = ast.parse(file.read_text("utf-8")).body
    except (OSError, ValueError, SyntaxError):
        return []
    classes = [item.name for item in body if isinstance(item, ast.ClassDef)]
    functions = [item.name for item in body if isinstance(item, ast.FunctionDef)]
    return [name for name in (*classes, *functions) if not name.startswith("_")]


def check_together(values: Mapping[str, object]) -> None:
    """Refuse values that are right one by one and not together."""
    if values.get("rescan") and values.get("out") is None:
        raise click.UsageError("--rescan needs the run folder: add --out FOLDER")
    if values.get("quiet") and values.get("verbose"):
        raise click.UsageError("--quiet and --verbose exclude each other: drop one")
    unnamed = "listing" in values and values["listing"] is None and not values.get("paths")
    if unnamed and not values.get("show_config"):
        raise click.UsageError("name a model file or a folder, or a list of them with --from")
    check_counts(values.get("mean"), values.get("std"), values.get("input_shape"))
