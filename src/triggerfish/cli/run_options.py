"""The options that say what a scan is of, where it runs and what it leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from triggerfish.cli.option_groups import GroupedOption
from triggerfish.cli.threads import jobs_option
from triggerfish.loading import LoadOptions
from triggerfish.runs.files import find_sources
from triggerfish.runs.listing import COLUMNS, read_list
from triggerfish.runs.model import Source
from triggerfish.runs.on_ray import Cluster
from triggerfish.runs.run import Executor
from triggerfish.runs.selection import Shard

Command = TypeVar("Command", bound=Callable[..., Any])
STDIN = "-"
_path = click.Path(path_type=Path)


def _shard(_: click.Context, option: click.Parameter, text: str | None) -> Shard | None:
    try:
        return None if text is None else Shard.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=option) from error


def _address(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and Path(text).exists():
        raise click.UsageError(
            f"expected the address of a Ray cluster after --ray, got the path {text}: "
            "write --ray=auto, or --ray=local to start one here"
        )
    return text


def _option(*names: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    return click.option(*names, cls=GroupedOption, group="Run", **settings)


_OPTIONS = (
    _option("--out", type=_path,
            help="Run folder: results.jsonl, and each model's files. The same command again "
                 "scans only what is missing, failed or changed."),
    _option("--rescan", is_flag=True, help="Scan what is in the run folder as well."),
    _option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
            help="Give up a model that takes longer."),
    _option("--include", multiple=True, metavar="PATTERN",
            help="Only files whose name, or end of path, matches; may be repeated."),
    _option("--exclude", multiple=True, metavar="PATTERN", help="No files that match."),
    _option("--from", "listing", metavar="FILE",
            help="List of models: .csv with a header, or a line each, a path or a JSON object "
                 f"with path and {', '.join(COLUMNS)}; - is stdin."),
    _option("--shard", callback=_shard, metavar="I/N",
            help="Only the I-th of N shares; triggerfish merge puts run folders together."),
    _option("--ray", is_flag=False, flag_value="auto", is_eager=True, callback=_address,
            metavar="[ADDRESS]",
            help="Scan on a Ray cluster: auto is the one that is there, local starts one here."),
)  # fmt: skip


def run_options(command: Command) -> Command:
    """Add the options; the command gets them as keywords, for `take_run_options`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return jobs_option("Models scanned at a time", fewer=True)(command)


@dataclass(frozen=True)
class RunOptions:
    """The options, as they were given."""

    out: Path | None
    rescan: bool
    timeout: float | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    listing: str | None
    shard: Shard | None
    ray: str | None
    jobs: int | None

    def sources(self, paths: Sequence[Path], options: LoadOptions) -> list[Source]:
        """What is to be scanned, in order.

        Raises `click.UsageError` when nothing was named, `CheckpointError` when that has no models.
        """
        if STDIN in map(str, paths):
            raise click.UsageError("expected --from - to read a list of paths from stdin, got -")
        if not paths and self.listing is None:
            raise click.UsageError("expected PATH or --from, got neither")
        listed = [] if self.listing is None else _listed(self.listing, options)
        return find_sources(
            paths, options, include=self.include, exclude=self.exclude, listed=listed
        )

    def executor(self, device: str) -> Executor | None:
        """Where the models are scanned, if not on this machine."""
        if self.ray is None:
            return None
        return Cluster(self.ray, self.jobs, device.startswith("cuda"), self.timeout)


def take_run_options(values: dict[str, Any]) -> RunOptions:
    """Take the options out of a command's keywords."""
    names = RunOptions.__dataclass_fields__
    options = RunOptions(**{name: values.pop(name) for name in names})
    if options.rescan and options.out is None:
        raise click.UsageError("expected --out with --rescan, got none")
    return options


def _listed(listing: str, options: LoadOptions) -> list[Source]:
    """The sources of a list."""
    if listing == STDIN:
        return list(read_list(sys.stdin, listing, Path(), options))
    try:
        with Path(listing).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return list(read_list(file, listing, Path(listing).parent, options))
    except OSError as error:
        raise click.UsageError(
            f"expected a list of models in {listing}, got '{error.strerror}'"
        ) from error
