"""Files -> results: all that a scan of files is, but parsing and printing."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from urllib.parse import quote

from triggerfish.acceptance import apply_acceptances
from triggerfish.errors import CheckpointError
from triggerfish.files import write_file
from triggerfish.loading import LoadOptions, Reading, find_checkpoints, other_files
from triggerfish.model.classifier import Classifier
from triggerfish.parallel import processes
from triggerfish.reports.about import About
from triggerfish.reports.html import REPORT, HtmlReport
from triggerfish.results import Acceptance
from triggerfish.runs.folder import RunFolder
from triggerfish.runs.model import Model, Source, find_models
from triggerfish.runs.outcome import Complete, Work, load_readings
from triggerfish.runs.run import Executor, Row, locally, run, to_do
from triggerfish.runs.selection import Shard, select
from triggerfish.runs.status import write_end, write_plan
from triggerfish.scanning import ScanConfig
from triggerfish.trial import read_pictures


@dataclass(frozen=True)
class FileScan:
    """How files are scanned, and what becomes of the results.

    Args:
        config: What is run and how it is judged.
        out: Run folder; what is settled in it is not scanned again. In memory alone when None.
        rescan: Whether to scan that as well.
        shard: One share of the models.
        jobs: Processes; when None as many as there are cores, fewer for a few models.
        timeout: Seconds after which a model is given up.
        executor: Where models are scanned, in place of ``jobs`` and ``timeout``.
        images: Folder of the user's own pictures, to try on what was found.
        complete: Adds what the caller knows to every result.
        acceptances: Files that somebody has accepted, by SHA-256.
        load: Opens a file.
    """

    config: ScanConfig = field(default_factory=ScanConfig)
    out: Path | None = None
    rescan: bool = False
    shard: Shard | None = None
    jobs: int | None = 1
    timeout: float | None = None
    executor: Executor | None = None
    images: Path | None = None
    complete: Complete = field(default_factory=Complete)
    acceptances: Mapping[str, Acceptance] = field(default_factory=dict)
    load: Callable[[LoadOptions, Path], Classifier | Sequence[Reading]] = load_readings

    def start(self, sources: Sequence[Source], others: Mapping[str, int] | None = None) -> Batch:
        """Everything that can fail before the first model is scanned.

        ``others`` counts what else was found beside the ``sources``, for the report.

        Raises:
            OutputError: the run folder cannot be written.
            DatasetError: there are no pictures in the folder.
        """
        if self.images is not None:
            read_pictures(self.images, (3, 1, 1))  # ends here, not after a scan
        folder = None if self.out is None else RunFolder(self.out)
        found = find_models(sources, self.config)
        models = [model for model in found if self.shard is None or model in self.shard]
        todo = len(to_do(models, folder, rescan=self.rescan))
        if folder is not None:
            write_plan(folder, len(models), self.shard)
        return Batch(self, models, todo, folder, dict(others or {}))


@dataclass(frozen=True)
class Batch:
    """Models that are ready to be scanned; ``todo`` of them have no settled result yet."""

    settings: FileScan
    models: list[Model]
    todo: int
    folder: RunFolder | None
    other_files: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many rows there will be: one a path."""
        return sum(len(model.paths) for model in self.models)

    def left(self, shown: int) -> list[Path]:
        """The paths without a result after the first ``shown`` rows."""
        folder, again = self.folder, self.settings.rescan
        rows = [(model, path) for model in self.models for path in model.paths]
        return [
            path
            for model, path in rows[shown:]
            if folder is None or not folder.settled(model, since_start=again)
        ]

    def rows(self) -> Generator[Row]:
        """The results as they come, in the order of the paths, accepted where they are listed.

        When it ends, or is closed, the processes end, and the overview stands in the run folder.

        Raises:
            OutputError: the folder does not take more.
            WorkerError: processes or machines do not start.
        """
        asked, today, overview = self.settings, date.today(), HtmlReport()
        work = Work(asked.config, asked.load, asked.complete, self.folder is not None, asked.images)
        executor = asked.executor or locally(processes(asked.jobs, self.todo), asked.timeout)
        rows = run(self.models, work, executor, self.folder, rescan=asked.rescan)
        try:
            for row in rows:
                result = apply_acceptances(row.result, asked.acceptances, today)
                if row.folder is not None:
                    overview.add(result, f"{quote(os.fsencode(row.folder))}/{REPORT}")
                yield replace(row, result=result)
        except (GeneratorExit, KeyboardInterrupt):
            self._end(overview)
            raise
        else:
            self._end(overview)
        finally:
            rows.close()
            if self.folder is not None:
                self.folder.close()

    def _end(self, overview: HtmlReport) -> None:
        if self.folder is not None:
            write_end(self.folder, self.settings.shard)
            page = overview.render(About(self.other_files))
            write_file(self.folder.path / REPORT, page.encode())


def find_sources(
    paths: Iterable[str | Path],
    options: LoadOptions | None = None,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    listed: Sequence[Source] = (),
) -> list[Source]:
    """The model files that paths lead to, folders walked, and those of a list, in their order.

    Raises:
        CheckpointError: there are none.
    """
    paths = list(paths)
    found = [Source(path, options or LoadOptions()) for path in find_checkpoints(paths)]
    found += [
        Source(path, source.options)
        for source in listed
        for path in find_checkpoints([source.path])
    ]
    chosen = select(found, include, exclude)
    if not found:
        where = ", ".join(map(str, paths)) or "the list"
        others = other_files(paths)
        seen = f" among {sum(others.values())} others" if others else ""
        raise CheckpointError(f"{where}: no model files{seen}")
    if not chosen:
        raise CheckpointError(
            f"none of {len(found)} model files matches --include and --exclude: check the patterns"
        )
    return chosen
