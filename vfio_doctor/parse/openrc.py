"""OpenRC's ``/etc/conf.d/modules``: which modules it loads, with which arguments.

``modules="a b"``, ``modules_6_1="c"``, ``module_a_args="x=1"`` (openrc,
conf.d/modules). A list for some kernels only counts as one for all.
"""

from __future__ import annotations

import re

from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple


class Modules(NamedTuple):
    """``names`` of modules, and (module, line, text) of ``arguments``."""

    names: frozenset[str]
    arguments: tuple[tuple[str, int, str], ...]


NONE = Modules(frozenset(), ())


# A shell's assignment; what is in quotes may go over several lines. No part of it
# can be read in two ways, so a long text takes no longer than its length says.
_ASSIGNED = (
    r"""(?m)^[ \t]*([A-Za-z_][A-Za-z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s"'#]*))"""
)


def parse(text: str) -> Modules:
    """Return what the file says; never raises.

    A later list takes the place of one of its name, unless it holds that.
    """
    lists: dict[str, frozenset[str]] = {}
    arguments: list[tuple[str, int, str]] = []
    counted, line = 0, 1
    for found in re.finditer(_ASSIGNED, text):
        key, value = found[1], found[2] or found[3] or found[4] or ""
        line, counted = line + text.count("\n", counted, found.end(1)), found.end(1)
        if key == "modules" or key.startswith("modules_"):
            words = value.replace("\\\n", " ").split()
            own = {f"${key}", f"${{{key}}}"}
            before = lists.get(key, frozenset()) if own & set(words) else frozenset()
            lists[key] = before | {module_name(w) for w in words if w not in own}
        elif key.startswith("module_") and "_args" in key:
            module = key.removeprefix("module_").partition("_args")[0]
            arguments.append((module_name(module), line, value.strip()))
    names = frozenset(name for listed in lists.values() for name in listed)
    return Modules(names, tuple(arguments))
