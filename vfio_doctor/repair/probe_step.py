"""Have the kernel look for a driver of one PCI function, or let it go again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.repair.guards import NoVm, broken
from vfio_doctor.repair.syscalls import StepFailed

if TYPE_CHECKING:
    from vfio_doctor.model import Message, ProbeStep
    from vfio_doctor.repair.target import Machine

BUS = "/sys/bus/pci"
NOT_BOUND = say(
    "probe-not-bound", "the kernel was asked, but {address} has the driver {driver}"
)
NO_DRIVER = say("probe-no-driver", "the kernel was asked, but {address} has no driver")


def probe(step: ProbeStep, machine: Machine) -> None:
    """Write the address to ``drivers_probe``, and look which driver has it."""
    _write(machine, f"{BUS}/drivers_probe", step.address)
    driver = driver_of(step, machine)
    if driver == step.driver:
        return
    if not driver:
        raise StepFailed(NO_DRIVER.filled(address=step.address))
    raise StepFailed(NOT_BOUND.filled(address=step.address, driver=driver))


def let_go(step: ProbeStep, machine: Machine) -> Message | None:
    """Take it from the driver; return why it has to stay, if a VM may have it."""
    why = broken(NoVm(), machine.host)
    if why is None:
        _write(machine, f"{BUS}/drivers/{step.driver}/unbind", step.address)
    return why


def driver_of(step: ProbeStep, machine: Machine) -> str:
    """Return the driver that a function has now, "" for none."""
    target = machine.host.readlink(f"{step.path}/driver")
    return "" if isinstance(target, Missing) else target.rpartition("/")[2]


def _write(machine: Machine, path: str, text: str) -> None:
    files = machine.files
    where, _, name = path.rpartition("/")
    folder = files.folder(where)
    try:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = files.call(os.open, name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        files.call(os.write, fd, text.encode("ascii"))
    finally:
        files.close(fd)
