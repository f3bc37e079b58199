"""The kernel log: the lines that say something of this field, and only their words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, confinement, scrub
from vfio_doctor.parse.denials import NODE, denial
from vfio_doctor.parse.kernel_log import telling

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_TELLING = telling()
# What no conclusion is drawn from, and a person who helps wants to see.
_WANTED = re.compile(
    r"(?i)kvm|vfio|iommu|dmar|amd-vi|ivrs|ivhd|vt-d|command line:|x2apic|secure ?boot"
    r"|lockdown|simpledrm|efifb|can't reserve|\bsvm\b|\bvmx\b|module|secureboot"
    r"|hugepages|mdev|version magic|unknown symbol|disagrees|parameter|nvidia|nvrm"
    r"|nouveau|static_size_mb"
)
# Of these more than words counts: signs, and the number behind them.
_WHOLE = (
    ": unknown header type 7f",
    ": vfio_bar_restore: reset recovery",
    "PCIe Bus Error: severity=Uncorrect",
    ": RLIMIT_MEMLOCK (",
)
_ENDING = re.compile(r"(?:ed|able) \(Fatal\)|\d{1,15}\) exceeded")
_COMMAND_LINE = "ommand line: "
OWN = re.compile(r"# vfio-doctor: (?:truncated, )?\d{1,9} (?:bytes|lines) left out.*")


def log(text: str, names: Names) -> str:
    """Return the lines of ``dmesg`` that are known; the rest are counted."""
    if names.redacted_before:
        return "".join(f"{_line(line, names)}\n" for line in text.splitlines())
    kept, gone = [], 0
    for line in text.splitlines():
        if (
            OWN.fullmatch(line)
            or any(map(line.__contains__, _TELLING))
            or _WANTED.search(line)
        ):
            kept.append(_line(line, names))
        else:
            gone += 1
    names.leave_out("line of the kernel log", gone)
    if gone:
        kept.append(f"# vfio-doctor: {gone} lines left out")
    return "\n".join(kept) + "\n" if kept else ""


def _line(text: str, names: Names) -> str:
    if OWN.fullmatch(text):
        return text
    denied = denial(text) if NODE in text else None
    if denied:
        return confinement.record(denied, names)
    head, found, rest = text.partition(_COMMAND_LINE)
    if found:
        return scrub.log_line(head + found, names) + arguments.line(rest, names)
    return _around(text, names)


def _around(text: str, names: Names) -> str:
    """Return a line with what a conclusion is drawn from as the kernel wrote it."""
    for told in _TELLING:
        head, found, rest = text.partition(told)
        if found and told in _WHOLE:
            ending = _ENDING.match(rest)
            end = ending.group() if ending else ""
            tail = scrub.words(rest[len(end) :], names)
            return scrub.log_line(head, names) + told + end + tail
    return scrub.log_line(text, names)
