"""Lints of a VM's definition: each judges one domain against this host."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.lints.lint import Lint

# In the order of the reference; each holds lints that have one subject.
MODULES = (
    "shared_memory",
    "shared_values",
    "shared_size",
    "shared_file",
    "picture",
    "hostdev",
    "whole_cards",
    "graphics_cards",
    "addresses",
    "guest_memory",
    "sharing",
    "files",
    "processor",
    "hypervisor",
    "address_width",
    "host_inputs",
    "around",
    "pinning",
    "refused",
)


def every() -> tuple[type[Lint], ...]:
    """Return every lint, in the order of the modules and of their lines."""
    found: list[type[Lint]] = []
    for name in MODULES:
        module = import_module(f"vfio_doctor.lints.{name}")
        found += [
            one
            for one in vars(module).values()
            if isinstance(one, type)
            and one.__module__ == module.__name__
            and hasattr(one, "number")
        ]
    return tuple(found)
