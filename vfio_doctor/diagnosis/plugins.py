"""Rules of others: modules that installed distributions list under our groups.

Only the interpreter's own site folders count, never the current folder nor what
PYTHONPATH names. Root imports nothing that another account can write to, unless
it was asked to.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution, EntryPoint
    from types import ModuleType

    from vfio_doctor.model import Message

GROUPS = ("vfio_doctor.checks", "vfio_doctor.fixes")
LIST = "entry_points.txt"


BROKEN = say("plug-in-broken", "plug-in {name} of {source}: {why}")
STOPPED = say(
    "plug-in-stopped", "Interrupted while plug-in {name} of {source} was imported."
)
FOREIGN = say(
    "plug-in-foreign",
    "not imported as root, since others can write to {path}; --plugins imports it",
)


class Plugin(NamedTuple):
    """A module of rules, and the distribution it belongs to: ``name version``."""

    module: ModuleType
    source: str


def plugins(problems: list[Message], trusted: bool = False) -> Iterator[Plugin]:
    """Import what other distributions list under our entry-point groups.

    importlib.metadata costs as much as a whole run, so the files are searched
    as bytes first and it is imported only where one of them names a group. What
    could not be imported, or is not to be as root, is added to ``problems``;
    ``trusted``: import it as root whoever can write to it.
    """
    found = {folder: _with_our_groups(folder) for folder in _site_folders()}
    folders = [folder for folder, lists in found.items() if lists]
    if not folders:
        return
    from importlib.metadata import Distribution

    points = [
        (point, _title(dist))
        for dist in map(Distribution.at, chain.from_iterable(found.values()))
        for point in _points(dist, problems)
    ]
    for point, source in sorted(points, key=lambda p: (p[0].group, p[0].name)):
        try:
            with _own_path():
                _refuse_foreign(point, folders, trusted)
                yield Plugin(import_module(point.module), source)
        except KeyboardInterrupt as stop:
            told = STOPPED.filled(name=point.name, source=source)
            raise KeyboardInterrupt(str(told)) from stop
        # A module that calls sys.exit() is broken too, and ends no diagnosis.
        except (Exception, SystemExit) as error:
            why: str | Message = f"{type(error).__name__}: {error}"
            if isinstance(error, _Foreign):
                why = FOREIGN.filled(path=error.path)
            problems.append(BROKEN.filled(name=point.name, source=source, why=why))


def _points(dist: Distribution, problems: list[Message]) -> Iterator[EntryPoint]:
    """Yield what a distribution lists under our groups; a damaged list is told."""
    try:
        yield from [point for point in dist.entry_points if point.group in GROUPS]
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        problems.append(BROKEN.filled(name=LIST, source=_title(dist), why=why))


def _title(dist: Distribution) -> str:
    """Return name and version; of a damaged one what its folder is called."""
    try:
        return f"{dist.name} {dist.version}"
    except Exception:
        return str(dist.locate_file(""))


class _Foreign(Exception):
    """A plug-in that root does not import: others can write to ``path``."""

    def __init__(self, path: str) -> None:
        """Take what others can write to."""
        super().__init__(path)
        self.path = path


def _site_folders() -> list[str]:
    import site

    user = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    return [f for f in dict.fromkeys((*site.getsitepackages(), user)) if f in sys.path]


@contextmanager
def _own_path() -> Iterator[None]:
    """Look for modules only where the interpreter itself puts them."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    keep = _site_folders()
    foreign = {"", os.getcwd(), *(os.path.abspath(p) for p in named if p)}
    before = sys.path[:]
    sys.path[:] = [p for p in before if p in keep or os.path.abspath(p) not in foreign]
    try:
        yield
    finally:
        sys.path[:] = before


def _refuse_foreign(point: EntryPoint, folders: list[str], trusted: bool) -> None:
    """Raise `_Foreign` if root would run what others can write to."""
    if trusted or os.geteuid() != 0:
        return
    from importlib.util import find_spec

    from vfio_doctor.host.ways import others_write

    spec = find_spec(point.module.partition(".")[0])
    paths = [*folders, *((spec.submodule_search_locations or ()) if spec else ())]
    if spec and spec.origin and spec.has_location:
        paths.append(spec.origin)
    for path in paths:
        if others_write(path):
            raise _Foreign(path)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _with_our_groups(folder: str) -> list[str]:
    """Return the folders of the distributions that list something for us."""
    found: list[str] = []
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return found
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")):
            continue
        try:
            # A FIFO would wait for somebody who writes.
            with open(f"{folder}/{name}/{LIST}", "rb", opener=_open_at_once) as file:
                text = file.read(1 << 16)
        except OSError:
            continue
        if b"[vfio_doctor.checks]" in text or b"[vfio_doctor.fixes]" in text:
            found.append(f"{folder}/{name}")
    return found
