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
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from vfio_doctor.model import Message

GROUPS = ("vfio_doctor.checks", "vfio_doctor.fixes")


BROKEN = say("plug-in-broken", "plug-in {name} of {source}: {why}")
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
    folders = [folder for folder in _site_folders() if _names_our_groups(folder)]
    if not folders:
        return
    from importlib.metadata import distributions

    points = [
        (point, f"{dist.name} {dist.version}")
        for dist in distributions(path=folders)
        for point in dist.entry_points
        if point.group in GROUPS
    ]
    for point, source in sorted(points, key=lambda p: (p[0].group, p[0].name)):
        try:
            with _own_path():
                _refuse_foreign(point, folders, trusted)
                yield Plugin(import_module(point.module), source)
        except Exception as error:
            why: str | Message = f"{type(error).__name__}: {error}"
            if isinstance(error, _Foreign):
                why = FOREIGN.filled(path=error.path)
            problems.append(BROKEN.filled(name=point.name, source=source, why=why))


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


def _names_our_groups(folder: str) -> bool:
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return False
    for name in names:
        if not name.endswith((".dist-info", ".egg-info")):
            continue
        try:
            with open(f"{folder}/{name}/entry_points.txt", "rb") as file:
                text = file.read(1 << 16)
        except OSError:
            continue
        if b"[vfio_doctor.checks]" in text or b"[vfio_doctor.fixes]" in text:
            return True
    return False
