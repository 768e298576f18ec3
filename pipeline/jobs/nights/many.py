"""Many published runs rebuilt in one folder: each whole or not at all, in any order, and `latest` in the end."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import StopRun, UsageError
from pipeline.files.building import remove_unfinished
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.latest import RUN_PREFIX, run_at
from pipeline.files.modes import Modes
from pipeline.files.output_format import check_formats
from pipeline.jobs.nights.local import Local, automatic_count
from pipeline.jobs.nights.night import Ending, Night, failed
from pipeline.jobs.nights.shift import Shift
from pipeline.jobs.rebuild import Source
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.nights.shift import Crew
    from pipeline.jobs.nights.site import Site

CLUSTER_PATIENCE_S = 60.0
"""Seconds to wait for a cluster whose scheduler or last worker is gone, before the command ends."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of many runs.

    Attributes:
        out: the folder with their tables.
        latest: name of the newest run in there; None if there is none.
        rebuilt: runs that were rebuilt.
        present: runs that had been rebuilt before.
        failed: runs that could not be rebuilt.
        runs: how each ended, by their names.
    """

    out: str
    latest: str | None
    rebuilt: int
    present: int
    failed: int
    runs: list[Ending]


class NightObserver:
    """Is told how it goes. Override what you need; by default nothing happens."""

    def began(self, total: int) -> None:
        """There are that many runs."""

    def ended(self, ending: Ending) -> None:
        """One of them has ended."""


def rebuild_many(
    runs: Sequence[Path],
    out: Path,
    load: Callable[[Mapping[str, object]], Settings],
    *,
    workers: int = 0,
    scheduler: str | None = None,
    patience_s: float = CLUSTER_PATIENCE_S,
    observer: NightObserver | None = None,
) -> Rebuilt:
    """Rebuild each of the published runs in the folder `out`, as `rebuild` does, several at a time.

    A run that is damaged, or cannot be rebuilt, fails alone. One that was rebuilt there before by this version with the
    same settings is left as it is, so the same call goes on after a stop.

    Args:
        runs: folders of published runs; one that is named twice, or by `latest`, too, counts once.
        out: the folder to publish in.
        load: makes the settings of a run from those about output that it was published with.
        workers: processes of this machine, one run each; 0 decides by cores and memory, 1 is this process.
        scheduler: the address of a Dask scheduler, whose workers rebuild the runs instead.
        patience_s: seconds to wait for a cluster whose scheduler or last worker is gone.
        observer: is told how it goes.

    Raises:
        UsageError: a run does not exist, two have one name, `out` cannot take one, or the cluster does not fit.
        StorageError: `out` cannot be written, or a cluster is gone; what was rebuilt is published.
        FolderBusy: another process publishes there.
    """
    common = load({})  # what is wrong with the settings of all runs is not the fault of one
    check_formats(common.formats)
    sources, endings = _read(_distinct(runs), load)
    folder = OutputFolder(out.absolute(), Modes.of(common))
    keys = [] if scheduler is None else _key_files(sources, folder)
    with _crew(len(sources), workers, scheduler, patience_s) as crew, folder.locked():
        for source in sources:
            source.check_target(folder)
        told = _Told(observer or NightObserver(), len(sources), endings)
        _hand_out(sources, folder, crew, told, keys)
    return _rebuilt(out, folder, told.endings)


def _hand_out(sources: Sequence[Source], folder: OutputFolder, crew: Crew, told: _Told, keys: Sequence[Path]) -> None:
    """Have the crew rebuild these runs, which takes the files `keys`, in the folder, which is held."""
    paths = [*(source.run for source in sources), *keys]
    with crew.prepared(folder.state, paths) as site, _finishing(folder, crew, sources, told.endings):
        Shift(crew, told.tell).rebuild([_night(source, folder.root, site) for source in sources])


class _Told:
    """Collects the endings, and tells the observer of each; of some before any run is rebuilt."""

    def __init__(self, observer: NightObserver, open_runs: int, endings: Iterable[Ending]) -> None:
        self.endings: list[Ending] = []
        self._observer = observer
        known = list(endings)
        observer.began(open_runs + len(known))
        for ending in known:
            self.tell(ending)

    def tell(self, ending: Ending) -> None:
        """Take the next ending."""
        self.endings.append(ending)
        self._observer.ended(ending)


def _distinct(runs: Sequence[Path]) -> list[Path]:
    """The folders of the runs, absolute, each once.

    Raises:
        UsageError: there is no such folder.
    """
    found: dict[str, Path] = {}
    for given in runs:
        run = run_at(given)
        if not run.is_dir():
            raise UsageError(f"{run}: there is no such folder; name published runs, such as DIR/run=*.")
        if run.is_symlink():  # `latest`, which may be switched meanwhile
            run = run.parent / run.readlink()
        found.setdefault(os.path.realpath(run), run.absolute())
    return list(found.values())


def _read(runs: Iterable[Path], load: Callable[[Mapping[str, object]], Settings]) -> tuple[list[Source], list[Ending]]:
    """The runs that can be read, by their names, and the endings of the others.

    Raises:
        UsageError: two have one name.
    """
    sources: dict[str, Source] = {}
    endings = []
    for run in runs:
        try:
            source = Source.of(run, load)
        except StopRun as error:
            endings.append(failed(run.name.removeprefix(RUN_PREFIX), run, error))
            continue
        run_id = source.before.run_id
        if run_id in sources:
            raise UsageError(f"{sources[run_id].run} and {run} have the same name, {run_id}; rebuild one of them.")
        sources[run_id] = source
    return list(sources.values()), endings


def _key_files(sources: Iterable[Source], folder: OutputFolder) -> list[Path]:
    """The files that hold the keys of hashes which the workers of a cluster need; they get no secret.

    Raises:
        UsageError: a key that is needed is in no file, missing or wrong.
        StorageError: a suppression list cannot be read.
    """
    found: dict[Path, None] = {}
    for source in sources:
        if source.needs_key(folder):
            if source.settings.privacy_key_file is None:
                raise UsageError(
                    f"{source.run}: needs the key of hashes, and a cluster is sent no secret; name a file that all"
                    " workers can read as privacy_key_file in --config, and set no key in the environment."
                )
            found[source.settings.privacy_key_file.absolute()] = None
    return [*found]


@contextmanager
def _crew(nights: int, workers: int, scheduler: str | None, patience_s: float) -> Iterator[Crew]:
    """Who rebuilds that many nights.

    Raises:
        UsageError: a cluster that does not fit.
    """
    if scheduler is None:
        yield Local(automatic_count(nights, workers))
        return
    from pipeline.jobs.nights.cluster import connected

    with connected(scheduler, patience_s=patience_s) as cluster:
        yield cluster


def _night(source: Source, out: Path, site: Site | None) -> Night:
    """The task of a run: one process for each, and no secret for a cluster."""
    plain = source.settings.public()
    settings = source.settings if site is None else Settings.model_validate({**plain, **_absolute(source.settings)})
    return Night(source.run, out, settings.model_copy(update={"workers": 1}), source.before.run_id, site)


def _absolute(settings: Settings) -> dict[str, Path]:
    """The files that these settings name, for workers elsewhere, whose current folder is another one."""
    files = {name: getattr(settings, name) for name in ("privacy_key_file", "suppression_file")}
    return {name: path.absolute() for name, path in files.items() if path}


@contextmanager
def _finishing(
    folder: OutputFolder, crew: Crew, sources: Sequence[Source], endings: Sequence[Ending]
) -> Iterator[None]:
    """However the block ends, nobody works after it, nothing half done is left, and `latest` is the newest run."""
    try:
        yield
    finally:
        crew.close()
        remove_unfinished(folder.state.path)
        failures = {ending.run_id for ending in endings if ending.status == "failed"}
        # Some may have been published by a worker whose word of it came too late.
        _switch_latest(folder, [source.before for source in sources if source.before.run_id not in failures])


def _switch_latest(folder: OutputFolder, manifests: Sequence[Manifest]) -> None:
    """Make the newest of these runs that is published `latest`, unless that is a newer one already."""
    published = [(each.finished_at, each.run_id) for each in manifests if folder.is_published(each.run_id)]
    run = folder.latest.run()
    manifest = read_manifest(run) if run else None
    before = (str(manifest["finished_at"]), str(manifest["run_id"])) if manifest else ("", "")
    if published and max(published) > before:
        folder.switch_latest_to(max(published)[1])


def _rebuilt(out: Path, folder: OutputFolder, endings: Sequence[Ending]) -> Rebuilt:
    latest = folder.latest.run()
    count = Counter(ending.status for ending in endings)
    return Rebuilt(
        out=str(out),
        latest=latest.name.removeprefix(RUN_PREFIX) if latest else None,
        rebuilt=count["rebuilt"],
        present=count["present"],
        failed=count["failed"],
        runs=sorted(endings, key=lambda ending: ending.run_id),
    )
