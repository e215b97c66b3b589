"""The help that a light command shows is that of the command itself; of 73 options 15 are shown."""

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import click
import pytest

from triggerfish.cli.group import COMMANDS, app
from triggerfish.cli.outline import load_command, outlines
from triggerfish.cli.scan import COMMON

Cli = Callable[..., SimpleNamespace]


def pairs(
    light: click.Command, real: click.Command, path: str
) -> Iterator[tuple[str, click.Command, click.Command]]:
    yield path, light, real
    if isinstance(real, click.Group):
        assert isinstance(light, click.Group)
        assert list(light.commands) == list(real.commands)
        for name in real.commands:
            yield from pairs(light.commands[name], real.commands[name], f"{path} {name}")


def both() -> Iterator[tuple[str, click.Command, click.Command]]:
    for name, (place, _) in COMMANDS.items():
        light = app.get_command(click.Context(app), name)
        assert light is not None
        yield from pairs(light, load_command(place), name)


BOTH = {path: (light, real) for path, light, real in both()}


def shown(command: click.Command, path: str) -> str:
    parent = click.Context(app, info_name="triggerfish", **app.context_settings)
    return command.get_help(click.Context(command, info_name=path, parent=parent))


@pytest.mark.parametrize("path", BOTH)
def test_the_help_is_that_of_the_command(path: str) -> None:
    light, real = BOTH[path]
    assert shown(light, path) == shown(real, path)
    assert type(light) is not type(real) or isinstance(real, click.Group), "else it is not light"


def options_in(text: str) -> list[str]:
    return re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", text, re.MULTILINE)


def test_scan_shows_fifteen_options_and_where_the_rest_is(triggerfish: Cli) -> None:
    few, every = (triggerfish("scan", flag) for flag in ("--help", "--help-all"))
    assert len(COMMON) == 15
    assert len(options_in(few.out)) == 17  # these, and the two kinds of help
    assert set(options_in(few.out)) < set(options_in(every.out))
    left = len(options_in(every.out)) - 17
    assert f"\n  {left} more options: " in few.out
    assert few.out.endswith(" scan --help-all\n")
    assert left > 50


def test_every_command_has_an_outline() -> None:
    assert list(outlines()) == list(COMMANDS)
