"""The jobs as programs and notebooks call them: paths may be strings, and a wrong argument fails before a job begins.

The program around a job is its host. A job leaves the host's signal handlers, event loop, environment, log, working
folder and everything else of the process as it found them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pipeline.errors import WrongArgument
from pipeline.jobs import arguments
from pipeline.jobs.awaiting import awaitable
from pipeline.jobs.enrich import enrich as enrich_list
from pipeline.jobs.enrich_target import Enrichment
from pipeline.jobs.export import export as export_lists
from pipeline.jobs.fetch import Observer
from pipeline.jobs.nights.many import Rebuilt, rebuild_many
from pipeline.jobs.rebuild import rebuild as rebuild_run
from pipeline.jobs.status import status as status_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.jobs.arguments import AnyPath, Several
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.status import Status

_Load: TypeAlias = Callable[[Mapping[str, object]], Settings]


def export(
    settings: Settings,
    lists: AnyPath | Several[AnyPath],
    out: AnyPath,
    *,
    run_id: str | None = None,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
) -> Manifest:
    """Look up every address of the lists and publish all tables in the folder `out`; return the manifest.

    An unfinished run for the same lists is resumed unless `resume` is false: addresses that it has answered are not
    looked up again. Works where an event loop is running, too, as in a notebook; `export_async` can be awaited there.

    Args:
        settings: the account, the pace, and how lists are read and tables written.
        lists: one list or several; `-` is standard input.
        out: the folder to publish in; it is made if it does not exist.
        run_id: the name of the run; by default the time in UTC.
        resume: whether an unfinished run is resumed.
        command: what a person would type to resume this run; messages and `status` show it.
        observer: is told what happens, perhaps from another thread.

    Raises:
        WrongArgument: an argument has the wrong type; nothing was begun.
        UsageError: settings, lists or `out` cannot be used, or there is an unfinished run of another account; nothing
            was called.
        StopRun: the run had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    return export_lists(
        arguments.instance("settings", settings, Settings),
        arguments.paths("lists", lists),
        arguments.path("out", out),
        **_options(str, run_id=run_id),
        **_common(resume=resume, command=command, observer=observer),
    )


def enrich(  # noqa: PLR0913 - a keyword for each property of the added columns
    settings: Settings,
    path: AnyPath,
    out: AnyPath,
    how: Enrichment = Enrichment(),  # noqa: B008 - frozen
    *,
    fields: str | Several[str] | None = None,
    prefix: str | None = None,
    separator: str | None = None,
    only_found: bool | None = None,
    force: bool | None = None,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
) -> Manifest:
    """Write the list `path` to the file `out` with columns of what is known about its addresses; return the manifest.

    All rows and columns of the list come first, unchanged; `out`, whose ending says in which format, appears complete
    or not at all. The same call resumes after a stop. It works in a notebook as `export` does; see `enrich_async`, too.

    The arguments from `fields` to `force` are the attributes of `Enrichment`, and have its defaults; `how` says several
    of them at once, for several calls. The last three are those of `export`.

    Raises:
        WrongArgument: an argument has the wrong type; nothing was begun.
        UsageError: settings, `path`, `out` or a field cannot be used; nothing was called.
        StopRun: it had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    changes: dict[str, Any] = {} if fields is None else {"fields": arguments.words("fields", fields)}
    changes |= _options(str, prefix=prefix, separator=separator) | _options(bool, only_found=only_found, force=force)
    return enrich_list(
        arguments.instance("settings", settings, Settings),
        arguments.path("path", path),
        arguments.path("out", out),
        dataclasses.replace(arguments.instance("how", how, Enrichment), **changes),
        **_common(resume=resume, command=command, observer=observer),
    )


@overload
def rebuild(run: AnyPath, out: AnyPath, load: _Load | None = None) -> Manifest: ...  # type: ignore[overload-overlap]  # a string is a sequence of strings, too


@overload
def rebuild(
    run: Several[AnyPath],
    out: AnyPath,
    load: _Load | None = None,
    *,
    workers: int = 0,
    scheduler: str | None = None,
) -> Rebuilt: ...


def rebuild(
    run: AnyPath | Several[AnyPath],
    out: AnyPath,
    load: _Load | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Manifest | Rebuilt:
    """Publish the tables of the run in the folder `run` once more in `out`, from the replies that it kept.

    No call is made. With the same code and settings every file is identical byte for byte. A run that was rebuilt there
    before, by this version with the same settings, is left as it is. Several runs are rebuilt at once, and a damaged
    one fails alone; what became of each is returned, not raised.

    Args:
        run: the folder of a published run, or `latest`; or several.
        out: the folder to publish in.
        load: makes the settings from those about output that a run was published with; by default they are the same.
        workers: of several runs, how many are rebuilt at once, by a process each; 0 decides by cores and memory.
        scheduler: for several runs, the address of a Dask scheduler whose workers rebuild them instead.

    Raises:
        WrongArgument: an argument has the wrong type.
        UsageError: a run is none, or did not keep its replies, `out` cannot take it, or the cluster does not fit.
        StorageError: something cannot be read or written, or is damaged.
        FolderBusy: a run is publishing there.
    """
    if load is not None and not callable(load):
        raise WrongArgument.of("load", "a function", load)
    if isinstance(run, str | os.PathLike):
        for name, given in (("workers", workers), ("scheduler", scheduler)):
            if given is not None:
                raise WrongArgument(f"{name}: must be left out for one run; name several as a list.")
        places = arguments.path("run", run), arguments.path("out", out)
        return rebuild_run(*places) if load is None else rebuild_run(*places, load)
    how = {**_options(int, workers=workers), **_options(str, scheduler=scheduler)}
    runs, folder = arguments.paths("run", run, "run"), arguments.path("out", out)
    return rebuild_many(runs, folder, load or Settings.model_validate, **how)


def status(out: AnyPath) -> Status:
    """Look at the runs in the folder `out`, published and unfinished; nothing is changed.

    Raises:
        WrongArgument: `out` is not a path.
        UsageError: the folder does not exist.
    """
    return status_of(arguments.path("out", out))


export_async = awaitable(export)
enrich_async = awaitable(enrich)


def _common(*, resume: bool, command: str, observer: Observer | None) -> dict[str, Any]:
    flags, texts = _options(bool, resume=resume), _options(str, command=command)
    return {**flags, **texts, **_options(Observer, observer=observer)}


def _options(wanted: type, **given: object) -> dict[str, Any]:
    """Those that are not None.

    Raises:
        WrongArgument: one is not of the type `wanted`.
    """
    return {name: arguments.instance(name, one, wanted) for name, one in given.items() if one is not None}
