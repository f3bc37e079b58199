"""Guests that are started and have the program, for the scenarios."""

from __future__ import annotations

from pathlib import Path

from e2e import images
from e2e.images import Suite
from e2e.vm import CPU, Machine


def plain_disk(name: str) -> Path:
    """Return the disk of a Debian release that has no boot loader."""
    tree = images.rootfs(Suite(name))
    return images.kept(f"{tree.name}.img", lambda path: images.disk(tree, path))


def started(machines: list[Machine], machine: Machine) -> Machine:
    """Start a machine and install the program in it."""
    machines.append(machine)
    machine.start()
    machine.install()
    return machine


def plain(
    machines: list[Machine], *words: str, iommu: str = "intel", cpu: str = CPU
) -> Machine:
    """Start a Debian guest that QEMU gives kernel and arguments."""
    disk = plain_disk("bookworm")
    return started(machines, Machine(disk, iommu, " ".join(words), cpu=cpu))
