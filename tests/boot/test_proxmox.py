"""Proxmox: the file that entries are made from is edited, between two refreshes."""

from __future__ import annotations

import pytest

from support import hosts
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.proxmox import REFRESH, Proxmox
from vfio_doctor.boot.selection import choose
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import CommandStep, FileStep, Step
from vfio_doctor.repair.trusted import is_ours

ESPS = {"/etc/kernel/proxmox-boot-uuids": "A-B\n"}
GRUB = {
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet old"\n'
    'GRUB_CMDLINE_LINUX=""\n',
    "/boot/grub/grub.cfg": "",
}
LINE = "root=ZFS=rpool/ROOT/pve-1 boot=zfs"


def host(cmdline: str, **files: str) -> CapturedHost:
    return hosts.build({**ESPS, **files, "/proc/cmdline": f"{cmdline}\n"})


def steps_of(seen: CapturedHost, gone: str, new: str) -> tuple[Step, ...]:
    backend = choose(seen, Facts(seen))
    assert isinstance(backend, Proxmox)
    before = backend.read(seen)
    assert not isinstance(before, Missing)
    after = tuple(word for word in before if word != gone)
    return backend.steps(seen, ArgumentEdit(before, (*after, new)))


def test_systemd_boot_has_one_line() -> None:
    files = {"/etc/kernel/cmdline": f"{LINE} old\n"}
    back, edit, refresh = steps_of(host(LINE, **files), "old", "vfio-pci.ids=a:b")
    assert back == CommandStep((), REFRESH, why=back.why)  # type: ignore[union-attr]
    assert isinstance(edit, FileStep)
    assert edit.path == "/etc/kernel/cmdline"
    assert edit.after == f"{LINE} vfio-pci.ids=a:b\n".encode()
    assert isinstance(refresh, CommandStep)
    assert refresh.argv == REFRESH
    assert is_ours(REFRESH, None)


def test_grub_has_its_own_file() -> None:
    seen = host("BOOT_IMAGE=/vmlinuz root=x", **GRUB)
    back, edit, refresh = steps_of(seen, "old", "new=1")
    assert isinstance(edit, FileStep)
    assert edit.path == "/etc/default/grub"
    assert b'GRUB_CMDLINE_LINUX_DEFAULT="quiet new=1"\n' in (edit.after or b"")
    assert isinstance(back, CommandStep)
    assert isinstance(refresh, CommandStep)
    assert (back.inverse, refresh.argv) == (REFRESH, REFRESH)


def test_without_the_file_the_whole_line_is_told() -> None:
    with pytest.raises(CannotFix, match=f"/etc/kernel/cmdline: {LINE} new=1 --"):
        steps_of(host(LINE), "", "new=1")
