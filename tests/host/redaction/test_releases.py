"""A kernel's release is harmless, and what a rule needs: it stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.rows import for_each
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import Caller, CommandResult
from vfio_doctor.host.redaction import forms
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.host.redaction.redact import redact

DATA = Path(__file__).resolve().parents[2] / "data"
# As Debian, Ubuntu, Fedora, Arch, Pop!_OS, Proxmox, NixOS, Universal Blue, SteamOS and
# others publish them, with the kernels of xanmod, CachyOS, zen, Liquorix and TKG.
RELEASES = (DATA / "kernel-releases.txt").read_text().split()
OSRELEASE = "/proc/sys/kernel/osrelease"


@pytest.mark.parametrize("release", RELEASES)
def test_a_published_release_stays_in_every_place(release: str) -> None:
    capture = Capture.empty("a host", Caller(0))
    modules = f"/lib/modules/{release}/extra/kvmfr.ko.xz"
    argv = ("modinfo", "-k", release, "kvmfr")
    capture.files[OSRELEASE] = f"{release}\n".encode()
    capture.files[modules] = b""
    capture.files["/proc/cmdline"] = f"BOOT_IMAGE=/boot/vmlinuz-{release} ro\n".encode()
    capture.lists["/lib/modules"] = (release,)
    text = f"name:           kvmfr\nvermagic:       {release} SMP preempt\n"
    capture.commands[argv] = CommandResult(argv, 0, text, "")
    left = redact(capture).capture
    assert left.files[OSRELEASE] == capture.files[OSRELEASE]
    assert left.files["/proc/cmdline"] == capture.files["/proc/cmdline"]
    assert modules in left.files
    assert left.lists["/lib/modules"] == (release,)
    answer = left.commands[argv]
    assert isinstance(answer, CommandResult)
    assert release in answer.stdout


@for_each(
    ("release", "private"),
    [
        ("6.12.4-attic", "attic"),
        ("6.12.4-arch1-Attic-T2-1-t2", "Attic"),
        ("6.12.4-neptune", "neptune"),
        ("6.8.0-76990800daily20240311-generic", "76990800"),
        ("6.8.0-76060812345678-generic", "76060812345678"),
        ("6.8.0-76060800attic20240311-generic", "attic"),
        ("6.11.0-049999-generic", "049999"),
        ("6.12.4-zen1-attic-zen", "attic"),
        ("6.12.4-300.attic.fc41.x86_64", "attic"),
        ("6.12.0-0.rc5.20241031git0fc810ae3ae199.46.fc42.x86_64", "0fc810ae3ae1"),
        ("6.12.4-valve19-1-attic-611-gb26e1c3c9f6b", "b26e1c3c9f6b"),
        ("6.12.4-tkg-attic", "attic"),
        ("attic6.12.4-tkg", "attic"),
    ],
)
def test_what_is_no_makers_is_hidden_in_a_release(release: str, private: str) -> None:
    for text in (release, f"vmlinuz-{release}.efi", f"initramfs-{release}.img"):
        left = forms.in_parts(text, Names())
        assert private not in left
