"""Switches of VFIO's modules that give protection up, now and as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ON_COMMAND_LINE, ModuleConfig
from vfio_doctor.host.reader import UNSAID, Missing, read_text
from vfio_doctor.parse.cmdline import CommandLine
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Told

NO_IOMMU = ("vfio", "enable_unsafe_noiommu_mode")
# The old container and iommufd have one each.
UNSAFE_INTERRUPTS = (
    ("vfio_iommu_type1", "allow_unsafe_interrupts"),
    ("iommufd", "allow_unsafe_interrupts"),
)
# What the kernel takes for true (lib/kstrtox.c, kstrtobool).
TRUE = (None, "1", "y", "Y", "t", "T", "on", "ON", "On")


class VfioSwitch(NamedTuple):
    """One parameter of a module.

    ``now``: whether it is on in the running kernel; false without the module.
    ``source`` is where it is switched on for the next boot, "" if no argument and no
    file does; ``ends``: an argument did at this boot, and does not at the next.
    """

    module: str
    parameter: str
    now: bool | Missing
    source: Told
    ends: bool = False

    @property
    def path(self) -> str:
        """Return where the kernel shows it."""
        return f"/sys/module/{self.module}/parameters/{self.parameter}"

    @property
    def word(self) -> str:
        """Return it as a kernel argument."""
        return f"{self.module}.{self.parameter}"

    @property
    def by_argument(self) -> bool:
        """Tell whether a kernel argument switches it on."""
        return self.source is ON_COMMAND_LINE

    @property
    def is_on(self) -> bool:
        """Tell whether it is on, or will be as soon as the module is loaded."""
        return self.now is True or bool(self.source)


class VfioSwitches(NamedTuple):
    """The switches, and a file of modprobe.d that could not be read, or None."""

    no_iommu: VfioSwitch
    unsafe_interrupts: tuple[VfioSwitch, ...]
    unread: Missing | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> VfioSwitches:
        """Read the running values, modprobe.d and the kernel arguments."""
        unread = next(iter(facts[ModuleConfig].unread), None)
        unsafe = tuple(_switch(host, facts, *name) for name in UNSAFE_INTERRUPTS)
        return cls(_switch(host, facts, *NO_IOMMU), unsafe, unread)


def _switch(host: Reader, facts: Facts, module: str, parameter: str) -> VfioSwitch:
    text = read_text(host, f"/sys/module/{module}/parameters/{parameter}")
    hidden = isinstance(text, Missing) and text.why not in UNSAID
    now = text if isinstance(text, Missing) and hidden else text == "Y\n"
    booted, *later = [_source(facts, module, parameter, x) for x in _lines(facts)]
    said = [each for each in later or [booted] if each]
    source = said[0] if said else ""
    return VfioSwitch(module, parameter, now, source, bool(booted and not source))


def _source(facts: Facts, module: str, parameter: str, line: CommandLine) -> Told:
    given = facts[ModuleConfig].values(module, parameter, line)
    return given[-1].source if given and given[-1].value in TRUE else ""


def _lines(facts: Facts) -> Iterator[CommandLine]:
    """Yield the booted line, and those of the next boot, as far as they are known."""
    try:
        yield facts[KernelCmdline].line
    except MissingFact:
        yield CommandLine(())
    try:
        for line, _ in facts[BootArguments].candidates():
            yield line
    except MissingFact:
        return
