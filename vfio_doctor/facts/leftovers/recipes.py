"""What the removed recipes did beside binding: hooks, rules for USB, groups, images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.images.own import FORCE, own_initramfs
from vfio_doctor.facts.images.tool import OSTREE_BOOTED
from vfio_doctor.facts.leftovers.leftover import Leftover, Whose, without
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.model import DeleteFile, OwnInitramfsBack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.pci.claims import Said
    from vfio_doctor.host.reader import Reader

HOOK, HOOKS = "/etc/libvirt/hooks/qemu", "/etc/libvirt/hooks/qemu.d"
# Each line of the dispatchers that are passed around begins so: what has another line
# does more, and is somebody's own.
_DISPATCHES = re.compile(
    r"(GUEST_NAME|HOOK_NAME|STATE_NAME|MISC|BASEDIR|HOOKPATH)=|set -e\b|exit\b"
    r"|(if|elif) \[|eval |while read |(else|fi|do|done|then)\b"
)
USB_RULES = "/etc/udev/rules.d/72-usbhp.rules"
USB_LINE = 'ACTION=="add" SUBSYSTEM=="usb", TAG+="uaccess"'
DRACUT_FILE = "/etc/dracut.conf.d/vfio.conf"
# What set-ups of ours, and those who follow our advice, have it made with.
FOR_VFIO = f"{FORCE}=vfio-pci"
DISPATCHER = say("leftover-hook", "the dispatcher of libvirt's hooks, {path}")
NO_HOOKS = say("leftover-hook-without-hooks", "it has no hook to start")
HOOK_STAYS = say(
    "leftover-hook-stays", "it starts the hooks in {folder}, which are yours"
)
HOOK_DOES_MORE = say(
    "leftover-hook-does-more", "it does more than starting the hooks in {folder}"
)
GROUP = say("leftover-group", "{members} in the group libvirt, by /etc/group")
GROUP_STAYS = say(
    "leftover-group-stays", "VMs without a passed-through device need it, too"
)
CLIENT_IMAGE = say(
    "leftover-client-image", "the initramfs that rpm-ostree makes on this host"
)
CLIENT_IMAGE_STAYS = say(
    "leftover-client-image-stays",
    "if nothing else needs it, run `sudo rpm-ostree initramfs --disable`",
)


def of_passthrough(host: Reader, said: Said) -> Iterator[Leftover]:
    """Yield them; what VMs without a passed-through device need, too, stays."""
    yield from _dispatcher(said)
    rules = said.text(USB_RULES)
    if USB_LINE in (line.strip() for line in rules.splitlines()):
        lines = [line for line in rules.splitlines() if line.strip() == USB_LINE]
        yield without(USB_RULES, rules, dict.fromkeys(lines), Whose.OTHERS)
    if isinstance(host.lstat(OSTREE_BOOTED), Missing):
        return
    yield from _own_initramfs(host, said)
    yield from _groups(host)


def _own_initramfs(host: Reader, said: Said) -> Iterator[Leftover]:
    """Yield the initramfs that is made here; it goes if vfio-pci is all it is for."""
    try:
        arguments = own_initramfs(host).arguments
    except MissingFact:
        arguments = ()
    if FOR_VFIO in arguments:
        rest = tuple(word for word in arguments if word != FOR_VFIO)
        back = OwnInitramfsBack(bool(rest), rest)
        yield Leftover(CLIENT_IMAGE, Whose.OTHERS, (back,))
    elif said.text(DRACUT_FILE):
        yield Leftover(CLIENT_IMAGE, Whose.OTHERS, (), CLIENT_IMAGE_STAYS)


def _dispatcher(said: Said) -> Iterator[Leftover]:
    """Yield the script that starts libvirt's hooks; it goes if it does nothing else."""
    lines = [line.strip() for line in said.text(HOOK).splitlines()]
    code = [line for line in lines if line and not line.startswith("#")]
    if not any(line.startswith("HOOKPATH=") and "qemu.d" in line for line in code):
        return
    shown = DISPATCHER.filled(path=HOOK)
    if not all(map(_DISPATCHES.match, code)):
        stays = HOOK_DOES_MORE.filled(folder=HOOKS)
        yield Leftover(shown, Whose.OTHERS, (), stays)
    elif said.names(HOOKS):
        yield Leftover(shown, Whose.OTHERS, (), HOOK_STAYS.filled(folder=HOOKS))
    else:
        yield Leftover(shown, Whose.OTHERS, (DeleteFile(HOOK, NO_HOOKS),))


def _groups(host: Reader) -> Iterator[Leftover]:
    """Yield the line that recipes have copied from the image's list of groups."""
    own, image = (read_text(host, p) for p in ("/etc/group", "/usr/lib/group"))
    if isinstance(own, Missing) or isinstance(image, Missing):
        return
    if not any(line.startswith("libvirt:") for line in image.splitlines()):
        return
    for line in own.splitlines():
        name, _, rest = line.partition(":")
        members = tuple(filter(None, rest.rpartition(":")[2].split(",")))
        if name == "libvirt" and members:
            shown = GROUP.filled(members=members)
            yield Leftover(shown, Whose.OTHERS, (), GROUP_STAYS)
