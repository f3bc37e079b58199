"""What a journal may have us do: nothing that a repair of ours would not do.

The journal is a file. Whoever could write to it, or damaged it, must not get more
from `undo` than the steps of our own back ends, on paths that they write.
"""

from __future__ import annotations

import os
import re
import stat as modes
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.model import (
    CommandStep,
    DomainStep,
    FileStep,
    NodeStep,
    ParameterStep,
    ProbeStep,
)
from vfio_doctor.repair.syscalls import StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.boot.backend import BootBackend
    from vfio_doctor.model import Message, Step
    from vfio_doctor.repair.syscalls import Filesystem, Held

NAME = r"[0-9A-Za-z_][0-9A-Za-z_.@:-]{0,127}"
PATH = r"/[^\x00-\x1f\x7f]{1,4095}"
# Another unit would be a way to have root start something.
DAEMON = r"(?:libvirtd|virtqemud)\.(?:socket|service)"
# Others' modules are not removed, nor their files loaded.
OWN_POLICY = r"vfio-doctor-[a-z]{1,40}"
POLICY = rf"/etc/selinux/vfio-doctor/{OWN_POLICY}\.cil"
# Of the changes that bring an effect forward (`repair.translate`); the boot tools'
# stand in their back ends.
COMMANDS = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--action=add", f"--subsystem-match={NAME}"),
    ("udevadm", "settle", r"--timeout=\d{1,4}"),
    ("modprobe", NAME),
    ("modprobe", "-r", NAME),
    ("systemctl", "try-restart", NAME),
    ("systemctl", "enable|disable|start|stop", DAEMON),
    ("semanage", "fcontext", "-[am]", "-t", NAME, PATH),
    ("semanage", "fcontext", "-d", PATH),
    ("semodule", "-[de]", NAME),
    ("semodule", "-i", POLICY),
    ("semodule", "-r", OWN_POLICY),
    ("restorecon", "-R", "--", PATH),
)
FILES = ("/etc/", "/var/", "/run/", "/boot/", "/efi/")
NODES = ("/dev/",)
PARAMETER = r"/sys/module/[0-9A-Za-z_]+/parameters/[0-9A-Za-z_]+"
FUNCTION = r"/sys/bus/pci/devices/[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
DOMAIN = r"/etc/libvirt/qemu/[^/\x00-\x1f\x7f]{1,200}\.xml"
DRIVER = r"[a-z0-9_-]{0,40}vfio[_-]pci"
XATTRS = ("user.", "security.", "system.", "trusted.")
LARGEST_ID = (1 << 32) - 2

NOT_OURS = say(
    "journal-foreign-command",
    "it holds a command that no repair of this program runs: {command}",
)
ELSEWHERE = say(
    "journal-foreign-path", "it holds a path that no repair writes to: {path}"
)
BAD_FILE = say("journal-bad-file", "it holds an impossible record of {path}")
OTHERS = say(
    "journal-others-write",
    "{path} can be changed by others than root, so nothing in it is believed "
    "(`ls -ld {path}` shows by whom)",
)
OWN = ("/var/lib/vfio-doctor", "/var/lib/vfio-doctor/journal")
OURS = say(
    "journal-others-own",
    "{path} can be changed by others than root, so nothing in it is believed (`ls -ld "
    "{path}` shows by whom; to begin anew, move it away: `sudo mv {path} {path}.away`)",
)


def why_not(
    step: Step, old: Held | None, backend: BootBackend | None
) -> Message | None:
    """Return why a step of a journal is not taken back, None if it may be."""
    if isinstance(step, CommandStep):
        foreign = (
            a for a in (step.argv, step.inverse) if a and not is_ours(a, backend)
        )
        found = next(foreign, None)
        return NOT_OURS.filled(command=" ".join(found)) if found else None
    if not _inside(step):
        return ELSEWHERE.filled(path=step.path)
    if isinstance(step, FileStep) and old is not None and not _possible(old):
        return BAD_FILE.filled(path=step.path)
    return None


def _inside(
    step: FileStep | NodeStep | ParameterStep | ProbeStep | DomainStep,
) -> bool:
    path = step.path
    if not re.fullmatch(PATH, path) or os.path.normpath(path) != path:
        return False
    if isinstance(step, ParameterStep):
        return bool(re.fullmatch(PARAMETER, path))
    if isinstance(step, DomainStep):
        return bool(re.fullmatch(DOMAIN, path))
    if isinstance(step, ProbeStep):
        known = re.fullmatch(FUNCTION, path) and re.fullmatch(DRIVER, step.driver)
        return bool(known)
    return path.startswith(NODES if isinstance(step, NodeStep) else FILES)


def is_ours(argv: tuple[str, ...], backend: BootBackend | None) -> bool:
    """Tell whether a repair of ours may run this command."""
    from vfio_doctor.boot.images.selection import MAKERS
    from vfio_doctor.boot.selection import every

    own = (type(backend),) if backend else ()
    tools = (*every(), *MAKERS.values(), *own)
    forms = (*COMMANDS, *(form for tool in tools for form in tool.commands))
    return any(_fits(form, argv) for form in forms)


def _fits(form: tuple[str, ...], argv: tuple[str, ...]) -> bool:
    """Hold words against a form; a last ``...`` lets the word before it repeat."""
    if form[-1] == "...":
        repeated = (form[-2],) * max(0, len(argv) - len(form) + 2)
        form = (*form[:-2], *repeated)
    return len(form) == len(argv) and all(
        re.fullmatch(pattern, word, re.DOTALL)
        for pattern, word in zip(form, argv, strict=True)
    )


def _possible(held: Held) -> bool:
    ids = all(-1 <= number <= LARGEST_ID for number in (held.uid, held.gid))
    names = all(name.startswith(XATTRS) and "\0" not in name for name, _ in held.xattrs)
    return ids and names and 0 <= held.mode <= 0o7777


def refuse_others(files: Filesystem, path: str) -> None:
    """Raise `StepFailed` if others can change a folder, or one on the way to it.

    What is not there yet is nobody's. Links on the way are refused by
    `Filesystem.folder` itself.
    """
    for here in _on_the_way(path):
        try:
            folder = files.folder(here)
        except FileNotFoundError:
            return
        try:
            found = os.fstat(folder)
        finally:
            os.close(folder)
        if not roots_own(found):
            raise StepFailed((OURS if here in OWN else OTHERS).filled(path=here))


def _on_the_way(path: str) -> Iterator[str]:
    parts = [part for part in path.split("/") if part]
    return ("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))


def roots_own(found: os.stat_result) -> bool:
    """Tell whether only root, or we, can change an open file or folder."""
    writable = found.st_mode & (modes.S_IWGRP | modes.S_IWOTH)
    return found.st_uid in (0, os.geteuid()) and not writable
