"""Every command the doctor may run to read a host: nothing else is started.

All of them only read. Each pattern is a tuple of words; a word in braces stands
for a value of that form, checked before the command is run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. rpm-ostree and bootc may have to wake a service first.
SHORT, LONG = 5.0, 20.0
AUDIT = "_TRANSPORT=audit"
PATH = (
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    # NixOS has its programs here and hardly any elsewhere.
    ":/run/current-system/sw/bin"
)

FORMS = {
    "{release}": r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}",
    "{name}": r"[0-9A-Za-z_][0-9A-Za-z_.@-]{0,63}",
    "{uid}": r"[0-9]{1,10}",
    "{image}": r"/boot/init[a-z.]{2,8}-[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}",
}

LISTED: dict[tuple[str, ...], float] = {
    ("rpm-ostree", "kargs"): LONG,
    ("rpm-ostree", "status", "--json"): LONG,
    ("rpm-ostree", "--version"): SHORT,
    ("bootc", "status", "--format", "json"): LONG,
    ("bootc", "--version"): SHORT,
    ("ostree", "--version"): SHORT,
    ("grubby", "--info=DEFAULT"): LONG,
    ("grubby", "--info=ALL"): LONG,
    ("bootctl", "list", "--json=short"): SHORT,
    ("kernelstub", "-p"): LONG,
    ("systemctl", "--version"): SHORT,
    ("udevadm", "--version"): SHORT,
    ("modinfo", "kvmfr"): SHORT,
    ("modinfo", "-k", "{release}", "kvmfr"): SHORT,
    ("getent", "passwd", "{uid}"): SHORT,
    ("getent", "passwd", "{name}"): SHORT,
    ("getent", "group", "{uid}"): SHORT,
    ("getent", "group", "{name}"): SHORT,
    ("id", "-G", "{name}"): SHORT,
    ("mokutil", "--sb-state"): SHORT,
    ("dmesg",): SHORT,
    # With auditd records go to its log, and to the journal, but not to dmesg.
    ("journalctl", "-b", "-q", "--no-pager", "-o", "cat", "-g", "kvmfr", AUDIT): LONG,
    ("virsh", "-c", "qemu:///system", "list", "--all", "--name"): LONG,
    # Each lists what an initramfs holds, and unpacks nothing to disk.
    ("lsinitramfs", "{image}"): LONG,
    ("lsinitrd", "{image}"): LONG,
    ("lsinitcpio", "{image}"): LONG,
    ("virsh", "--version"): SHORT,
    ("qemu-system-x86_64", "--version"): SHORT,
}


def time_limit(argv: tuple[str, ...]) -> float | None:
    """Return a listed command's time limit in seconds.

    None if a word of the host's has not its form: a kernel may be called anything.
    Raises ValueError for a command that is not listed: that is our own fault.
    """
    is_odd = False
    for pattern, seconds in LISTED.items():
        if len(pattern) != len(argv):
            continue
        odd = {
            form
            for form, word in zip(pattern, argv, strict=True)
            if not _fits(form, word)
        }
        if not odd:
            return seconds
        is_odd = is_odd or odd <= FORMS.keys()
    if is_odd:
        return None
    raise ValueError(f"not a listed command: {argv}")


def _fits(form: str, word: str) -> bool:
    pattern = FORMS.get(form)
    return form == word if pattern is None else bool(re.fullmatch(pattern, word))


def find(name: str, exists: Callable[[str], bool]) -> str | None:
    """Return the path of a program on our fixed search path, or None."""
    paths = (f"{folder}/{name}" for folder in PATH.split(":"))
    return next((path for path in paths if exists(path)), None)
