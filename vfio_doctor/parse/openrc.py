"""OpenRC's ``/etc/conf.d/modules``: which modules it loads, with which arguments.

``modules="a b"``, ``modules_6_1="c"``, ``module_a_args="x=1"`` (openrc,
conf.d/modules). A list for some kernels only counts as one for all.
"""

from __future__ import annotations

from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple


class Modules(NamedTuple):
    """``names`` of modules, and (module, line, text) of ``arguments``."""

    names: frozenset[str]
    arguments: tuple[tuple[str, int, str], ...]


NONE = Modules(frozenset(), ())


def parse(text: str) -> Modules:
    """Return what the file says; never raises."""
    names: set[str] = set()
    arguments: list[tuple[str, int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        key, equals, value = line.strip().partition("=")
        value = value.partition(" #")[0].strip().strip("\"'")
        if not equals or key.startswith("#"):
            continue
        if key == "modules" or key.startswith("modules_"):
            names.update(map(module_name, value.split()))
        elif key.startswith("module_") and "_args" in key:
            module = key.removeprefix("module_").partition("_args")[0]
            arguments.append((module_name(module), number, value))
    return Modules(frozenset(names), tuple(arguments))
