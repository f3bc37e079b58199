"""Debian's hook that writes systemd-boot's entry whenever an image is made."""

from __future__ import annotations

import pytest

from support import hosts
from support.rows import for_each
from vfio_doctor.boot.images.initramfs_tools import InitramfsTools
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.model import RebuildImages

ENTRY = "/boot/loader/entries/debian.conf"
HOOK = "/etc/initramfs/post-update.d/systemd-boot"
LOADER = (
    "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f",
    "\x06\0\0\0" + "\0".join("systemd-boot 252.39-1") + "\0",
)
IMAGE = "/boot/initrd.img-6.1.0-32-amd64"
WISH = RebuildImages(("vfio_pci",), ())


def _files(options: str, **lines: str) -> dict[str, str]:
    names = {"etc": "/etc/kernel/cmdline", "usr": "/usr/lib/kernel/cmdline"}
    return {
        HOOK: "",
        "/boot/loader/loader.conf": "timeout 3\n",
        ENTRY: f"title Debian\nlinux /linux\noptions {options}\n",
        IMAGE: "",
        LOADER[0]: LOADER[1],
        **{names.get(name, "/proc/cmdline"): text for name, text in lines.items()},
    }


@for_each(
    ("options", "lines", "lost", "line"),
    [
        ("root=x debug", {"etc": "root=x"}, "debug", "/etc/kernel/cmdline"),
        ("a=1 root=x b=2", {"etc": "root=x"}, "a=1 b=2", "/etc/kernel/cmdline"),
        ("root=x debug", {"usr": "root=x", "now": "root=x debug"}, "debug", "/usr/lib"),
        ("root=x debug", {"now": "root=x"}, "debug", "/proc/cmdline"),
    ],
)
def test_an_entry_that_would_lose_words_is_left_alone(
    options: str, lines: dict[str, str], lost: str, line: str
) -> None:
    with pytest.raises(CannotFix) as refused:
        InitramfsTools().steps(hosts.build(_files(options, **lines)), WISH)
    said = dict(refused.value.message.params)
    assert refused.value.message.id == "image-drops-words"
    assert (said["words"], said["entry"]) == (lost, ENTRY)
    assert str(said["line"]).startswith(line)


@for_each(
    ("options", "lines", "without"),
    [
        ("root=x quiet systemd.machine_id=1", {"etc": "quiet root=x"}, ""),
        ("root=x quiet", {"now": "initrd=a root=x quiet"}, ""),
        ("initrd=a root=x", {"etc": "root=x debug"}, ""),
        ("root=x debug", {"etc": "root=x"}, HOOK),
        # The files of a loader that has not booted this machine.
        ("root=x debug", {"etc": "root=x"}, LOADER[0]),
        ("root=x debug", {}, ""),
    ],
)
def test_an_entry_that_keeps_its_words_stops_nothing(
    options: str, lines: dict[str, str], without: str
) -> None:
    files = _files(options, **lines)
    files.pop(without, None)
    before, after = InitramfsTools().steps(hosts.build(files), WISH)
    assert before
    assert after
