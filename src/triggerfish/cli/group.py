"""The top-level command: loads a subcommand when it is used, turns our errors into one line."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from triggerfish._version import __version__
from triggerfish.cli.exit_codes import INTERRUPTED, USAGE
from triggerfish.errors import TriggerfishError

# name -> (where the command lives, its line in --help): the commands import PyTorch, the help
# must not.
COMMANDS: dict[str, tuple[str, str]] = {
    "scan": (
        "triggerfish.cli.scan:scan_command",
        "Scan model files, and folders of them, for backdoors.",
    ),
    "inspect": (
        "triggerfish.cli.inspect:inspect_command",
        "Say what a model file is and whether it can be scanned, without scanning it.",
    ),
    "card": (
        "triggerfish.cli.card:card",
        "Write model cards, which say what a checkpoint does not: shape, mean, std, classes.",
    ),
    "arch": (
        "triggerfish.cli.arch:arch",
        "Draft the network of a state dict that no known one fits.",
    ),
    "calibrate": (
        "triggerfish.cli.calibrate:calibrate_command",
        "Turn clean models into a reference: thresholds and p-values for models like them.",
    ),
    "zoo": (
        "triggerfish.cli.zoo:zoo",
        "Train zoos of clean and backdoored classifiers, with their ground truth in a manifest.",
    ),
    "reproduce": (
        "triggerfish.cli.reproduce:reproduce_command",
        "Run the published protocol: train the published zoos, scan them, count what is correct.",
    ),
    "demo": (
        "triggerfish.cli.demo:demo_command",
        "Train one clean and one backdoored MNIST model, then scan both, without data.",
    ),
}


class App(click.Group):
    """A group whose subcommands are imported on use, and that never ends in a traceback of ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or None when there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Run, and exit: what click and we raise on purpose becomes one line and a code."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.Abort:
            click.echo("interrupted: what was finished is kept", err=True)
            code = INTERRUPTED
        except click.ClickException as error:
            error.show()
            code = USAGE
        except TriggerfishError as error:
            click.echo(f"error: {error}", err=True)
            code = USAGE
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=App, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, "--version", prog_name="triggerfish")
def app() -> None:
    """Find backdoors in image classifiers from the model alone: no clean data, no network."""
