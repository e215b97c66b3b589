"""The options that say what a scan is of, where it runs and what it leaves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from triggerfish.cli.checks import address, shard
from triggerfish.cli.option_groups import GroupedOption
from triggerfish.cli.threads import jobs_option
from triggerfish.errors import one_line
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
    _option("--shard", callback=shard, metavar="I/N",
            help="Only the I-th of N shares; triggerfish merge puts run folders together."),
    _option("--ray", is_flag=False, flag_value="auto", is_eager=True, callback=address,
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

        Raises `CheckpointError` when what was named has no models.
        """
        if STDIN in map(str, paths):
            raise click.UsageError("a list of paths from stdin is read with --from -, not with -")
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
    given = {name: values.pop(name) for name in names}
    share = given.pop("shard")
    return RunOptions(**given, shard=None if share is None else Shard.parse(share))


def _listed(listing: str, options: LoadOptions) -> list[Source]:
    """The sources of a list."""
    if listing == STDIN:
        return list(read_list(sys.stdin, listing, Path(), options))
    try:
        with Path(listing).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return list(read_list(file, listing, Path(listing).parent, options))
    except OSError as error:
        raise click.UsageError(f"--from {listing}: {one_line(error).lower()}") from error
