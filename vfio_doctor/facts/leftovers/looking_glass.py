"""Rules, lists and policy that let a VM and a person open kvmfr's device."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.kvmfr.rule_lines import RULE_FILE
from vfio_doctor.facts.leftovers.leftover import Leftover, Whose, without
from vfio_doctor.facts.libvirt.conf import DEVICE_LIST, QemuConf
from vfio_doctor.facts.libvirt.daemons import LibvirtDaemons
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say
from vfio_doctor.model import (
    DisablePolicy,
    DropContext,
    RestartService,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.parse.libvirt_conf import without_items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.pci.claims import Said
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Change

RULES = "/etc/udev/rules.d/*.rules"
TMPFILES = "/etc/tmpfiles.d/*.conf"
CONTEXTS = "/etc/selinux/targeted/contexts/files/file_contexts.local"
ARMOR = (
    "/etc/apparmor.d/abstractions/libvirt-qemu.d/*",
    "/etc/apparmor.d/local/abstractions/libvirt-qemu",
)
POLICY = "/var/lib/selinux/targeted/active/modules/400/kvmfr"
DISABLED = "/var/lib/selinux/targeted/active/modules/disabled/kvmfr"
OWN_TYPE = "svirt_image_t"
NODE = re.compile(r"/dev/kvmfr\d+")
_RULE = re.compile(r'\s*SUBSYSTEM\s*==\s*"kvmfr"\s*,.*[^\\]')
_SHARED = re.compile(r"\s*(f /dev/shm/looking-glass\s.*|LOOKING_GLASS_TMP\s*)")
_ARMOR = re.compile(r"\s*/dev/kvmfr\d+ rw,")
LISTED = say("leftover-device-list", "{devices} in cgroup_device_acl of {path}")
LISTED_BY_HAND = say(
    "leftover-device-list-by-hand", "the list cannot be edited: take them out by hand"
)
CONTEXT_AND_TYPE = say(
    "leftover-context-of-type", "SELinux's local file context {type} of {pattern}"
)
CONTEXT_BY_HAND = say(
    "leftover-context-by-hand",
    "it is for one kind of file alone, or of no type: take it out with `semanage`",
)
MODULE = say("leftover-policy", "SELinux's local policy module {name}")


def of_looking_glass(host: Reader, said: Said, facts: Facts) -> Iterator[Leftover]:
    """Yield all of them; what cannot be read is noted in ``said``."""
    for path in said.paths(RULES):
        whose = Whose.OURS if path == RULE_FILE else Whose.OTHERS
        yield from _lines(path, said.text(path), _RULE, whose, UdevTrigger("kvmfr"))
    for path in said.paths(TMPFILES):
        yield from _lines(path, said.text(path), _SHARED, Whose.OTHERS)
    yield from _listed(facts)
    yield from _armor(said)
    yield from _selinux(host, said)


def _lines(
    path: str,
    text: str,
    form: re.Pattern[str],
    whose: Whose,
    *more: Change,
) -> Iterator[Leftover]:
    found = [line for line in text.splitlines() if form.fullmatch(line)]
    if found:
        made = without(path, text, dict.fromkeys(found), whose)
        yield made._replace(changes=made.changes and (*made.changes, *more))


def _listed(facts: Facts) -> Iterator[Leftover]:
    """Yield the nodes in libvirt's list, and the daemons that have read it."""
    file = facts[QemuConf]
    held = file.conf.setting(DEVICE_LIST)
    items = held.value if held and isinstance(held.value, tuple) else ()
    nodes = tuple(item for item in items if NODE.fullmatch(item))
    if not nodes or isinstance(file.text, Missing):
        return
    shown = LISTED.filled(devices=nodes, path=file.path)
    text = without_items(file.text, DEVICE_LIST, nodes)
    if text is None:
        yield Leftover(shown, Whose.OTHERS, (), LISTED_BY_HAND, by_hand=True)
        return
    restarts = (RestartService(unit) for unit in _services(facts))
    yield Leftover(shown, Whose.OURS, (WriteFile(file.path, text), *restarts))


def _services(facts: Facts) -> tuple[str, ...]:
    try:
        return facts[LibvirtDaemons].services
    except MissingFact:
        return ()


def _armor(said: Said) -> Iterator[Leftover]:
    for pattern in ARMOR:
        for path in said.paths(pattern):
            yield from _lines(path, said.text(path), _ARMOR, Whose.OURS)


def _selinux(host: Reader, said: Said) -> Iterator[Leftover]:
    for line in said.text(CONTEXTS).splitlines():
        words = line.split()
        pattern = words[0] if len(words) > 1 else ""
        type_ = (words[-1].split(":")[2:3] or [""])[0] if pattern else ""
        if pattern.startswith("/dev/kvmfr") or pattern == "/dev/shm/looking-glass":
            whose = Whose.OURS if type_ == OWN_TYPE else Whose.OTHERS
            shown = CONTEXT_AND_TYPE.filled(type=type_, pattern=pattern)
            if len(words) == 2 and type_:
                yield Leftover(shown, whose, (DropContext(pattern),))
            else:
                yield Leftover(shown, whose, (), CONTEXT_BY_HAND, by_hand=True)
    there = not isinstance(host.lstat(POLICY), Missing)
    if there and isinstance(host.lstat(DISABLED), Missing):
        shown = MODULE.filled(name="kvmfr")
        yield Leftover(shown, Whose.OTHERS, (DisablePolicy("kvmfr"),))
