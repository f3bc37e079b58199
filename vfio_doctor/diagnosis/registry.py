"""Find every check and fix: our own by their folders, others by entry points."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from vfio_doctor.api import Check, Fix
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

K = TypeVar("K", bound="type[Check] | type[Fix]")

GROUPS = ("vfio_doctor.checks", "vfio_doctor.fixes")


class Registry(NamedTuple):
    """All rules and fixes, sorted by id; ``problems`` names broken plug-ins."""

    checks: tuple[type[Check], ...]
    fixes: tuple[type[Fix], ...]
    problems: tuple[str, ...] = ()

    def check(self, check_id: str) -> type[Check] | None:
        """Return the check with that id, or None."""
        return next((check for check in self.checks if check.id == check_id), None)

    def fixes_for(self, check_id: str) -> tuple[type[Fix], ...]:
        """Return the fixes that say they solve that check, by id."""
        return tuple(fix for fix in self.fixes if check_id in fix.solves)


def load() -> Registry:
    """Return our own rules and those of installed plug-ins.

    A broken plug-in, or one whose id is taken, is named in ``problems`` and
    left out; a doubled id among our own rules raises ValueError.
    """
    own = [module for group in GROUPS for module in _own_modules(group)]
    checks = _unique(_declared(own, Check))
    fixes = _unique(_declared(own, Fix))
    problems: list[str] = []
    for module in _plugin_modules(problems):
        _join(checks, _declared([module], Check), module, problems)
        _join(fixes, _declared([module], Fix), module, problems)
    return Registry(
        tuple(checks[key] for key in sorted(checks)),
        tuple(fixes[key] for key in sorted(fixes)),
        tuple(problems),
    )


def _own_modules(package: str) -> Iterator[ModuleType]:
    for folder in import_module(package).__path__:
        for name in sorted(os.listdir(folder)):
            if name.startswith("_"):
                continue
            if name.endswith(".py"):
                yield import_module(f"{package}.{name[:-3]}")
            elif os.path.isfile(f"{folder}/{name}/__init__.py"):
                yield from _own_modules(f"{package}.{name}")


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
            raise ValueError(f"{key}: declared twice, {found[key]} and {item}")
        found[key] = item
    return found


def _join(
    known: dict[str, type],
    new: Iterable[type],
    module: ModuleType,
    problems: list[str],
) -> None:
    for item in new:
        key = vars(item)["id"]
        if key in known:
            problems.append(f"plug-in {module.__name__}: the id {key} is taken")
        else:
            known[key] = item


def _plugin_modules(problems: list[str]) -> Iterator[ModuleType]:
    """Import what other distributions list under our entry-point groups.

    importlib.metadata costs as much as a whole run, so the files are searched
    as bytes first and it is imported only where one of them names a group.
    """
    if not any(_names_our_groups(folder) for folder in sys.path):
        return
    from importlib.metadata import entry_points

    for group in GROUPS:
        for point in sorted(entry_points(group=group), key=lambda p: p.name):
            try:
                yield import_module(point.module)
            except Exception as error:
                dist = point.dist.name if point.dist else "unknown distribution"
                problems.append(
                    f"plug-in {point.name} of {dist}: {type(error).__name__}: {error}"
                )


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
