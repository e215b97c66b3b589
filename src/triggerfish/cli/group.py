"""The top-level command: loads a subcommand when it is used, turns our errors into one line."""

from __future__ import annotations

import difflib
import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from triggerfish._version import __version__
from triggerfish.cli.exit_codes import PIPE_CLOSED, USAGE
from triggerfish.cli.interrupts import MESSAGE, interruptible
from triggerfish.cli.outline import light_command, load_command, outlines
from triggerfish.cli.project import reworded, use_project, with_its_file
from triggerfish.cli.streams import drop_output, output_failed, prepare_streams, was_printing
from triggerfish.errors import TriggerfishError, described, one_line

TRACEBACK = "TRIGGERFISH_TRACEBACK"
REPORT_IT = f"please report it, with what {TRACEBACK}=1 shows"

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
    "report": (
        "triggerfish.cli.report:report_command",
        "Make any report again from stored results, without scanning.",
    ),
    "explain": (
        "triggerfish.cli.explain:explain_command",
        "Say everything about one class of a stored result.",
    ),
    "confirm": (
        "triggerfish.cli.confirm:confirm_command",
        "Test a class that a scan has flagged, on new images.",
    ),
    "repair": (
        "triggerfish.cli.repair:repair_command",
        "Remove what a scan finds in a model, without any data, and scan the result.",
    ),
    "status": (
        "triggerfish.cli.status:status_command",
        "Say how far a run folder is: counts, rate and time left, also while a scan writes it.",
    ),
    "merge": (
        "triggerfish.cli.merge:merge_command",
        "Put run folders together in TARGET: what the shards of a scan have found.",
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
    "doctor": (
        "triggerfish.cli.doctor:doctor_command",
        "Say what this installation can do: versions, devices, formats, sandbox, each with a fix.",
    ),
}


class App(click.Group):
    """A group whose subcommands are imported on use, and that never ends in a traceback of ours."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command by its outline, or None when there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        place, outline = COMMANDS[cmd_name][0], outlines().get(cmd_name)
        if outline is None:  # not written yet: make docs
            return load_command(place)
        return light_command(outline, lambda: load_command(place))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; offer the one that may be meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            ctx.fail(_no_such_command(name, args))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own signature
        """Run, and exit: whatever happens becomes at most one line and a code."""
        with interruptible() as interrupt:
            try:
                code = self._run(*args, **kwargs)
            except (click.Abort, KeyboardInterrupt):
                _complain(MESSAGE)
                interrupt.leave()
                code = interrupt.code
            except click.ClickException as error:
                with suppress(OSError):
                    _in_full(error).show()
                code = USAGE
            except TriggerfishError as error:
                _complain(f"error: {error}")
                code = USAGE
            except Exception as error:
                if TRACEBACK in os.environ:
                    raise
                _complain(f"error: this should not happen ({described(error)}): {REPORT_IT}")
                code = USAGE
            sys.exit(code)

    def _run(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401
        prepare_streams()
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
            click.echo(nl=False)  # flushes
        except SystemExit:  # how click ends when a pipe is closed at its other end
            drop_output()
            return PIPE_CLOSED
        except OSError as error:
            if not was_printing(error):
                raise
            if isinstance(error, BrokenPipeError):
                drop_output()
                return PIPE_CLOSED
            raise output_failed(one_line(error)) from error
        return code if isinstance(code, int) else 0


def _no_such_command(name: str, args: list[str]) -> str:
    if Path(name).exists():
        return f"no command {name!r}: to scan a file, triggerfish scan {shlex.join(args)}"
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"no command {name!r}" + (f": did you mean {near[0]}?" if near else "")


def _in_full(error: click.ClickException) -> click.ClickException:
    """What click says, with what is meant by it, or where it is from."""
    if isinstance(error, click.BadParameter):  # the range is no matter where there is no number
        message = re.sub("valid (integer|float) range", r"valid \1", error.message)
        error = error if message == error.message else reworded(error, message)
    return _with_a_near_match(with_its_file(error))


def _with_a_near_match(error: click.ClickException) -> click.ClickException:
    """An option that there is not, with the one of the command that is most like it."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    options = [o for o in error.ctx.command.get_params(error.ctx) if isinstance(o, click.Option)]
    known = [name for option in options for name in (*option.opts, *option.secondary_opts)]
    near = difflib.get_close_matches(error.option_name, known, n=1)
    return click.NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)


def _complain(line: str) -> None:
    with suppress(OSError):
        click.echo(line, err=True)


@click.group(
    cls=App, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, "--version", prog_name="triggerfish")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              show_default="triggerfish.toml, where there is one",
              help="Project file with options of the commands.")  # fmt: skip
@click.pass_context
def app(ctx: click.Context, config: Path | None) -> None:
    """Find backdoors in image classifiers from the model alone: no clean data, no network."""
    use_project(ctx, config)
