"""Read lists of modules to load: modules-load.d and the initramfs builders' own."""

from __future__ import annotations

import re

from vfio_doctor.parse.modprobe import Problem, module_name
from vfio_doctor.value import NamedTuple

FOLDERS = (
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
)
# Merged into vfio itself by Linux 6.2; a list that names it fails there.
OBSOLETE = {"vfio_virqfd": (6, 2)}
# systemd looks for one module whose name is the whole line.
PARAMETER, SEVERAL = "kernel-parameter-in-module-list", "several-words"


class ModuleList(NamedTuple):
    """The modules that a list names, in its order, spelt as the kernel does."""

    modules: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def parse(text: str) -> ModuleList:
    """Return what a modules-load.d file names (modules-load.d(5)); never raises.

    One module a line; ``#`` and ``;`` begin a comment line. A line that can be
    no module name (blanks or ``=`` in it) is a problem.
    """
    modules: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        name = line.strip()
        if not name or name[0] in "#;":
            continue
        if "=" in name:
            problems.append(Problem(number, PARAMETER, name))
        elif len(name.split()) > 1:
            problems.append(Problem(number, SEVERAL, name))
        else:
            modules.append(module_name(name))
    return ModuleList(tuple(modules), tuple(problems))


def parse_argument(value: str) -> tuple[str, ...]:
    """Return the modules of a ``modules-load=a,b`` kernel argument's value."""
    return tuple(module_name(name) for name in value.split(",") if name)


def parse_initramfs_tools(text: str) -> ModuleList:
    """Return what Debian's ``/etc/initramfs-tools/modules`` names.

    A line is a module and its parameters; modprobe.d directives mean nothing
    there and are problems (``wrong-file-kind``).
    """
    modules: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] in ("options", "softdep", "blacklist", "install", "alias"):
            problems.append(Problem(number, "wrong-file-kind", line.strip()))
        else:
            modules.append(module_name(words[0]))
    return ModuleList(tuple(modules), tuple(problems))


def parse_shell_list(text: str, variable: str) -> tuple[str, ...]:
    """Return the words that shell assignments give a list variable.

    For ``MODULES=(a b)`` of mkinitcpio and ``force_drivers+=" a b "`` of dracut.
    A later ``=`` replaces an earlier one, but for ``"${MODULES[@]}"`` inside of it.
    """
    body = re.sub(r"(?m)^[ \t]*#.*$", "", text)
    value = r"\(([^)]*)\)|\"([^\"]*)\"|'([^']*)'|(\S+)"
    pattern = rf"(?m)^[ \t]*{re.escape(variable)}(\+?)=(?:{value})"
    old = (f"${{{variable}[@]}}", f"${{{variable}}}", f"${variable}")
    held: list[str] = []
    for plus, *parts in re.findall(pattern, body):
        words = [w.strip("'\"") for part in parts for w in part.split()]
        new = [x for w in words for x in (held if w in old else [module_name(w)])]
        # Each once: a text that names itself twice must not grow without end.
        held = list(dict.fromkeys([*held, *new] if plus else new))
    return tuple(held)


def obsolete(modules: tuple[str, ...], release: str = "") -> tuple[str, ...]:
    """Return the modules that the kernel ``release`` no longer has.

    Without a release all that any kernel dropped are named.
    """
    version = tuple(int(number) for number in re.findall(r"\d{1,9}", release)[:2])
    return tuple(
        name
        for name in modules
        if name in OBSOLETE and (not version or version >= OBSOLETE[name])
    )
