"""Loaders that are kept by hand: the exact line, in the loader's own words."""

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot import by_hand, sealed
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.limine import BY_HAND, Limine
from vfio_doctor.boot.selection import choose
from vfio_doctor.facts.base import CannotFix, Facts
from vfio_doctor.facts.boot.entries import limine_entry
from vfio_doctor.host.reader import Missing

Files = dict[str, str]
STUB = "/sys/firmware/efi/efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
LEFT = {"/etc/default/grub": "", "/boot/grub/grub.cfg": ""}
HOSTS: list[tuple[str, Files, str, str, str]] = [
    (
        "rEFInd",
        {"/boot/refind_linux.conf": ""},
        "root=x initrd=\\initrd.img rw",
        by_hand.REFIND_ADVICE.id,
        '"Boot with standard options" "root=x rw new=1"',
    ),
    (
        "ZFSBootMenu",
        {"/etc/zfsbootmenu/config.yaml": ""},
        "root=zfs:zroot/ROOT/arch rw spl.spl_hostid=0x1 loglevel=4",
        by_hand.ZFSBOOTMENU_ADVICE.id,
        "zfs set org.zfsbootmenu:commandline='rw loglevel=4 new=1' zroot/ROOT/arch",
    ),
    (
        "EFI stub",
        {},
        "root=x initrd=\\initrd.img",
        by_hand.EFI_STUB_ADVICE.id,
        "--unicode 'root=x initrd=\\initrd.img new=1'",
    ),
    (
        "syslinux",
        {"/boot/syslinux/syslinux.cfg": ""},
        "BOOT_IMAGE=/bzimage initrd=/bzroot",
        by_hand.SYSLINUX_ADVICE.id,
        "append initrd=/bzroot new=1",
    ),
    (
        "update-extlinux",
        {"/boot/extlinux.conf": "", "/etc/update-extlinux.conf": ""},
        "BOOT_IMAGE=vmlinuz-lts initrd=i root=x modules=ext4 quiet",
        by_hand.EXTLINUX_ADVICE.id,
        "update-extlinux.conf: quiet new=1 -- then run `sudo update-extlinux`",
    ),
    (
        "sealed, not yet written",
        {STUB: "\6\0\0\0s\0y\0", "/etc/kernel/cmdline": "root=x\n"},
        "root=x",
        sealed.SEALED_APPEND.id,
        f"/etc/kernel/cmdline: new=1 -- {sealed.REBUILD}",
    ),
    (
        "sealed, written already",
        {STUB: "\6\0\0\0s\0y\0", "/etc/kernel/cmdline": "root=x new=1\n"},
        "root=x",
        sealed.SEALED_THERE.id,
        f"/etc/kernel/cmdline has these already: new=1 -- {sealed.REBUILD}",
    ),
]


@for_each(
    ("files", "cmdline", "id_", "line"),
    [pytest.param(*rest, id=name) for name, *rest in HOSTS],
)
def test_the_exact_line(files: Files, cmdline: str, id_: str, line: str) -> None:
    host = hosts.build({**LEFT, **files, "/proc/cmdline": f"{cmdline}\n"})
    backend = choose(host, Facts(host))
    before = backend.read(host)
    assert not isinstance(before, Missing)
    assert before == tuple(cmdline.split())
    with pytest.raises(CannotFix) as refusal:
        backend.steps(host, ArgumentEdit(before, (*before, "new=1")))
    assert refusal.value.message.id == id_
    assert str(refusal.value).endswith(line)


MENU = "timeout: 5\n/Unraid OS\n    protocol: linux\n    kernel_path: boot():/bzimage\n"


@pytest.mark.parametrize("line", ["", "    cmdline: a b\n"])
def test_limine_kept_by_hand(line: str) -> None:
    host = hosts.build({"/boot/limine.conf": MENU + line, "/proc/cmdline": "a b\n"})
    entry = limine_entry(host)
    assert not isinstance(entry, Missing)
    backend = choose(host, Facts(host))
    assert isinstance(backend, Limine)
    before = backend.read(host)
    assert not isinstance(before, Missing)
    assert before == tuple(line.split()[1:])
    with pytest.raises(CannotFix) as refusal:
        backend.steps(host, ArgumentEdit(before, (*before, "c")))
    assert refusal.value.message.id == BY_HAND.id
    assert str(refusal.value).startswith("/boot/limine.conf")
    assert str(refusal.value).endswith(f"cmdline: {' '.join((*before, 'c'))}")
