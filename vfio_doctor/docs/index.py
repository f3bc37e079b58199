"""The index of an area: what a report says of its checks without importing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.diagnosis.registry import Registry

HEAD = '''"""Made from the classes by `scripts/documents --write`."""

# ruff: noqa: E501
# fmt: off

CHECKS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
'''


def indexes(areas: tuple[str, ...], registry: Registry) -> Iterator[tuple[str, str]]:
    """Yield (path below the repository, text) of the index of every such area."""
    for area in areas:
        package = f"vfio_doctor.checks.{area}."
        lines = [
            f"    {(c.id, c.title, c.severity.name, c.requires)!r},\n"
            for c in registry.checks
            if c.__module__.startswith(package)
        ]
        yield f"checks/{area}/_index.py", f"{HEAD}{''.join(lines)})\n"
