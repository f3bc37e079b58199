"""Whether another tool changes the system at this moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.boot.next_kernel import RPM_OSTREE_STATUS
from vfio_doctor.facts.boot.stack import BootKind, BootStack
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

LOCKS = "/proc/locks"
# As /proc/PID/comm has them, 15 characters; each of these locks its database while it
# writes to it, and only then.
PACKAGE_TOOLS = frozenset(
    (
        *("apt", "apt-get", "aptitude", "aptd", "dpkg", "unattended-upgr", "synaptic"),
        *("dnf", "dnf5", "dnf5daemon-serv", "dnf-automatic", "microdnf", "yum", "rpm"),
        *("packagekitd", "zypper"),
    )
)


class OtherTransaction(NamedTuple):
    """What another tool is doing, "" if none is seen to."""

    what: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> OtherTransaction:
        """Ask rpm-ostree if it is this host's tool; look who holds a lock."""
        return cls(_rpm_ostree(host, facts) or next(_locking(host), ""))


def _rpm_ostree(host: Reader, facts: Facts) -> str:
    """Return the transaction's name; it is null or three texts in the answer."""
    try:
        if facts[BootStack].kind is not BootKind.RPM_OSTREE:
            return ""
    except MissingFact:
        return ""
    answer = host.run(RPM_OSTREE_STATUS)
    if isinstance(answer, Missing) or answer.status:
        return ""
    try:
        held = json.loads(answer.stdout).get("transaction")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f"rpm-ostree {held[0]}" if isinstance(held, list) and held else ""


def _locking(host: Reader) -> Iterator[str]:
    """Yield the package tools that hold a lock for writing, with their number."""
    text = read_text(host, LOCKS)
    for line in text.splitlines() if isinstance(text, str) else ():
        words = line.split()
        # 12: POSIX  ADVISORY  WRITE 4711 08:02:393231 0 EOF; "->" waits for one.
        if words[1:2] == ["->"] or words[3:4] != ["WRITE"] or not words[4:]:
            continue
        if whole(words[4]) is None:
            continue
        name = read_text(host, f"/proc/{words[4]}/comm")
        if isinstance(name, str) and name.strip() in PACKAGE_TOOLS:
            yield f"{name.strip()}, process {words[4]}"
