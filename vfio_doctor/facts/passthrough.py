"""What on a host shows that somebody means to pass devices to a virtual machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, NotApplicable, known, missing_fact
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.kvmfr.intent import DOMAINS, KvmfrIntent
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse.cmdline import plain
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.cmdline import CommandLine

BOUND = "/sys/bus/pci/drivers/vfio-pci"
GIVEN = "<hostdev"
VFIO = "vfio"
_LIMIT = 1 << 18


class PassthroughIntent(NamedTuple):
    """Whether a host means to run passthrough or Looking Glass.

    ``sign`` is the argument, file or device that shows it, "" if none does;
    ``unseen`` is the first place that could not be looked at.
    """

    sign: str
    unseen: MissingFact | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> PassthroughIntent:
        """Look at arguments, module settings, bound devices and VM definitions."""
        unseen: list[MissingFact] = []
        sign = next(_signs(host, facts, unseen), "")
        return cls(sign, unseen[0] if unseen else None)

    @property
    def meant(self) -> bool:
        """Tell whether it is; raise `MissingFact` if that cannot be known."""
        if not self.sign and self.unseen:
            known(self.unseen)
        return bool(self.sign)


def _signs(host: Reader, facts: Facts, unseen: list[MissingFact]) -> Iterator[str]:
    for line in _lines(facts, unseen):
        yield from _in_arguments(line)
    yield from _in_module_config(facts, unseen)
    bound = host.list(BOUND)
    if isinstance(bound, Missing):
        _missed(bound, unseen)
    else:
        yield from (name for name in bound if name.count(":") == 2)
    yield from _in_domains(host, unseen)
    try:
        facts[KvmfrIntent].demand()
    except NotApplicable:
        return
    except MissingFact as missing:
        unseen.append(missing)
        return
    yield "kvmfr"


def _lines(facts: Facts, unseen: list[MissingFact]) -> Iterator[CommandLine]:
    try:
        yield facts[KernelCmdline].line
        for line, _ in facts[BootArguments].candidates():
            yield line
    except MissingFact as missing:
        if missing.hidden:
            unseen.append(missing)


def _in_arguments(line: CommandLine) -> Iterator[str]:
    """Yield words that nobody gives for another purpose."""
    for argument in line.arguments:
        key, items = plain(argument.key), argument.items
        driver = key == "rd.driver.pre" and any(VFIO in item for item in items)
        if key.startswith(VFIO) or driver or (key == "iommu" and "pt" in items):
            yield argument.raw


def _in_module_config(facts: Facts, unseen: list[MissingFact]) -> Iterator[str]:
    config = facts[ModuleConfig]
    for path, file in config.options:
        options = file.modules("options")
        if path.startswith("/etc/") and any(n.startswith(VFIO) for n in options):
            yield path
    for path, listed in config.lists:
        if path.startswith("/etc/") and any(n.startswith(VFIO) for n in listed.modules):
            yield path
    for unread in config.unread:
        _missed(unread, unseen)


def _in_domains(host: Reader, unseen: list[MissingFact]) -> Iterator[str]:
    names = host.list(DOMAINS)
    if isinstance(names, Missing):
        _missed(names, unseen)
        return
    for name in names:
        path = f"{DOMAINS}/{name}"
        if not name.endswith(".xml"):
            continue
        text = read_text(host, path, _LIMIT)
        if isinstance(text, Missing):
            _missed(text, unseen)
        elif GIVEN in text:
            yield path


def _missed(missing: Missing, unseen: list[MissingFact]) -> None:
    if missing.why is not Why.ABSENT:
        unseen.append(missing_fact(missing))
