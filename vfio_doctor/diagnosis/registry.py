"""Find every check and fix: our own by their folders, others by entry points."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from vfio_doctor.api import Check, Fix
from vfio_doctor.diagnosis.areas import stand_ins, unwanted
from vfio_doctor.diagnosis.plugins import GROUPS, plugins
from vfio_doctor.messages import say
from vfio_doctor.model import Applicability, Severity
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.model import Message, Told


# What every class has to declare.
CONSTANTS: dict[type, tuple[tuple[str, type], ...]] = {
    Check: (
        ("id", str),
        ("title", str),
        ("severity", Severity),
        ("requires", tuple),
    ),
    Fix: (
        ("id", str),
        ("solves", tuple),
        ("summary", str),
        ("applicability", Applicability),
    ),
}


NO_CONSTANT = say(
    "plug-in-no-constant",
    "plug-in {module}: class {name} has no {constant} of type {kind}",
)
NO_METHOD = say("plug-in-no-method", "plug-in {module}: class {name} has no {method}()")
ID_TAKEN = say("plug-in-id-taken", "plug-in {module}: the id {id} is taken")


class Registry(NamedTuple):
    """All rules and fixes, sorted by id.

    ``problems`` names plug-ins that could not be loaded, ``plugins`` those that
    gave a rule or a fix.
    """

    checks: tuple[type[Check], ...]
    fixes: tuple[type[Fix], ...]
    problems: tuple[Told, ...] = ()
    plugins: tuple[str, ...] = ()

    def check(self, check_id: str) -> type[Check] | None:
        """Return the check with that id, or None."""
        return next((check for check in self.checks if check.id == check_id), None)

    def fixes_for(self, check_id: str) -> tuple[type[Fix], ...]:
        """Return the fixes that say they solve that check, by id."""
        return tuple(fix for fix in self.fixes if check_id in fix.solves)


def load(
    facts: Facts | None = None, select: Iterable[str] = (), trusted: bool = False
) -> Registry:
    """Return our own rules and those of installed plug-ins.

    With facts, areas that neither these nor ``select`` ask for are not imported:
    stand-ins say so (`vfio_doctor.diagnosis.areas`), and their fixes are left out.
    A broken plug-in, or one whose id is taken, is named in ``problems`` and
    left out; a doubled id among our own rules raises ValueError. ``trusted``
    plug-ins are imported as root even from where others can write.
    """
    left = unwanted(facts, select) if facts is not None else ()
    own = [module for group in GROUPS for module in _own_modules(group, left)]
    checks = _unique(_declared(own, Check))
    checks.update((c.id, c) for area in left for c in stand_ins(area))
    fixes = _unique(_declared(own, Fix))
    problems: list[Message] = []
    took_part: set[str] = set()
    for plugin in plugins(problems, trusted):
        before = len(checks) + len(fixes)
        _join(checks, _declared([plugin.module], Check), plugin.module, problems)
        _join(fixes, _declared([plugin.module], Fix), plugin.module, problems)
        if len(checks) + len(fixes) > before:
            took_part.add(plugin.source)
    return Registry(
        tuple(checks[key] for key in sorted(checks)),
        tuple(fixes[key] for key in sorted(fixes)),
        tuple(problems),
        tuple(sorted(took_part)),
    )


def _own_modules(package: str, left: tuple[str, ...] = ()) -> Iterator[ModuleType]:
    """Import the modules below a package, but for the folders in ``left``."""
    for folder in import_module(package).__path__:
        for name, is_package in sorted(_listed(folder)):
            if name.startswith("_") or name in left:
                continue
            if is_package:
                yield from _own_modules(f"{package}.{name}")
            else:
                yield import_module(f"{package}.{name}")


def _listed(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the modules of a folder, and whether each is a package.

    pkgutil can look into archives, but is dear to import.
    """
    try:
        names = os.listdir(folder)
    except NotADirectoryError:
        from pkgutil import iter_modules

        yield from ((found.name, found.ispkg) for found in iter_modules([folder]))
        return
    for name in names:
        if name.endswith(".py"):
            yield name[:-3], False
        elif os.path.isfile(f"{folder}/{name}/__init__.py"):
            yield name, True


def _declared(modules: Iterable[ModuleType], base: type) -> Iterator[type]:
    for module in modules:
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, base)
                and value.__module__ == module.__name__
                and "id" in vars(value)
            ):
                yield value


def _unique(classes: Iterable[type]) -> dict[str, type]:
    found: dict[str, type] = {}
    for item in classes:
        key = vars(item)["id"]
        if key in found:
            raise ValueError(
                f"{key}: this id is declared in {_file(found[key])} and in "
                f"{_file(item)}. An id names one rule, for ever: give the newer one "
                "an id of its own. If an old build left one of them: remove build/, "
                "and install again"
            )
        found[key] = item
    return found


def _file(item: type) -> str:
    return getattr(sys.modules[item.__module__], "__file__", None) or item.__module__


def _lacking(item: type, module: str) -> Message | None:
    """Return what a class of a plug-in lacks to be a rule or a fix."""
    is_check = issubclass(item, Check)
    for name, kind in CONSTANTS[Check if is_check else Fix]:
        value = getattr(item, name, None)
        if value is None or not isinstance(value, kind):
            return NO_CONSTANT.filled(
                module=module,
                name=item.__name__,
                constant=name,
                kind=kind.__name__,
            )
    base, method = (Check, "judge") if is_check else (Fix, "propose")
    same = getattr(item, method) is getattr(base, method)
    lacks = NO_METHOD.filled(module=module, name=item.__name__, method=method)
    return lacks if same else None


def _join(
    known: dict[str, type],
    new: Iterable[type],
    module: ModuleType,
    problems: list[Message],
) -> None:
    for item in new:
        key = vars(item)["id"]
        lacking = _lacking(item, module.__name__)
        if lacking:
            problems.append(lacking)
        elif key in known:
            problems.append(ID_TAKEN.filled(module=module.__name__, id=key))
        else:
            known[key] = item
