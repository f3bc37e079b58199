"""Find the definitions that ``vfio-doctor vm`` is asked for, and judge them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from vfio_doctor.app.failure import Failure
from vfio_doctor.facts.vms import SYSTEM, Vms
from vfio_doctor.host.reader import Missing
from vfio_doctor.lints import every
from vfio_doctor.lints.judge import Judged, judge_all
from vfio_doctor.messages import say
from vfio_doctor.model import Severity
from vfio_doctor.parse.vm_form import LARGEST
from vfio_doctor.parse.xml_tree import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.lints.lint import Lint
    from vfio_doctor.model import Message

STDIN = "-"
NO_SUCH = say(
    "vm-no-such",
    "{name}: no VM of this host has that name, and there is no such file. {known}",
)
NAMES = say("vm-names", "There are: {names}.")
NEAR = say("vm-names-near", "Did you mean {near}? There are: {names}.")
NO_NAMES = say("vm-no-names", "No definition could be read.")
DENIED = say("vm-names-denied", "Some could not be read: {why}")


def judged(
    host: Reader, facts: Facts, names: tuple[str, ...], with_host: bool
) -> tuple[Judged, ...]:
    """Judge what is named, or every definition of the host."""
    lints = lints_for(with_host)
    texts = _named(names, host, facts) if names else _all(host, facts)
    return tuple(
        one
        for path, data in texts
        for one in (
            (Judged("", path, refused=Refused(data.message)),)
            if isinstance(data, Missing)
            else judge_all(data, path, facts, lints)
        )
    )


def of_system(found: tuple[Judged, ...]) -> tuple[Judged, ...]:
    """Return those that libvirt's system instance has."""
    return tuple(one for one in found if one.path.startswith(f"{SYSTEM}/"))


def lints_for(with_host: bool) -> tuple[type[Lint], ...]:
    """Return the lints that are judged: without a host those that ask none."""
    return tuple(lint for lint in every() if with_host or not lint.reads_host)


def _all(host: Reader, facts: Facts) -> Iterator[tuple[str, bytes | Missing]]:
    held = facts[Vms]
    paths = [vm.path for vm in held.vms]
    # What is no definition is judged too: to be told why.
    paths += [m.source for m in held.unread if m.source.endswith(".xml")]
    for path in paths:
        yield path, host.read_bytes(path, LARGEST + 1)
    if not paths:
        for missing in held.unread:
            raise Failure(str(DENIED.filled(why=missing.message)), 3)


def _named(
    names: tuple[str, ...], host: Reader, facts: Facts
) -> Iterator[tuple[str, bytes | Missing]]:
    yield from (_one(name, host, facts) for name in names)


def _one(name: str, host: Reader, facts: Facts) -> tuple[str, bytes | Missing]:
    if name == STDIN:
        return name, sys.stdin.buffer.read(LARGEST + 1)
    if "/" in name or name.endswith(".xml") or os.path.lexists(name):
        return name, _file(name)
    held = facts[Vms]
    path = next((vm.path for vm in held.vms if name in (vm.name, vm.number)), None)
    if path is not None:
        return path, host.read_bytes(path, LARGEST + 1)
    raise Failure(str(NO_SUCH.filled(name=name, known=_known(name, held))), 2)


def _known(name: str, held: Vms) -> Message:
    from difflib import get_close_matches

    names = tuple(vm.name for vm in held.vms)
    near = get_close_matches(name, names, 1)
    if near:
        return NEAR.filled(near=near[0], names=names)
    if names:
        return NAMES.filled(names=names)
    for missing in held.unread:
        return DENIED.filled(why=missing.message)
    return NO_NAMES


def _file(path: str) -> bytes:
    from vfio_doctor.host.rights import as_caller

    try:
        with as_caller(), open(path, "rb", opener=_at_once) as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", 2) from error


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting for whoever may write to a named pipe."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    # `<(virsh dumpxml win11)` is a pipe too, whose writer is there already.
    os.set_blocking(fd, True)
    return fd


def status(found: tuple[Judged, ...], fail_on: Severity) -> int:
    """Return the exit status: 2 for a text that was not read."""
    if any(one.refused for one in found):
        return 2
    if any(f.severity >= fail_on for one in found for f in one.faults):
        return 1
    return 3 if any(one.untold or one.unsaid for one in found) else 0
