"""``setup passthrough`` on a sealed image, which it refuses, and with own bridges."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import libvirt
from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import Capture

Output = pytest.CaptureFixture[str]
STUB = Parts(
    {
        "/sys/firmware/efi/efivars/StubInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f": (
            b"\x06\0\0\0" + "systemd-stub 257".encode("utf-16-le")
        ).decode("latin-1")
    }
)
# What else a set-up would add: nothing of it without the card.
NO_LIBVIRT = (
    libvirt.conf("", "libvirt-qemu"),
    libvirt.programs("libvirtd"),
    file("/etc/group", "root:x:0:\nalice:x:1000:\nlibvirt:x:121:\n"),
)
PORT = "00:03.1 1022:1483 060400 pcieport       "


def set_up(tmp_path: Path, host: Capture) -> int:
    save(host, tmp_path / "host.host")
    words = ["--capture", str(tmp_path / "host.host"), "--dry-run", "--device", CARD]
    return status(["setup", "passthrough", "--user", "alice", *words])


@pytest.mark.parametrize(
    ("files", "snippet"),
    [
        (
            {"/etc/kernel/cmdline": "root=UUID=1 quiet\n"},
            "Append to the line in /etc/kernel/cmdline: "
            "vfio-pci.ids=10de:2482,10de:228b",
        ),
        (
            {"/etc/cmdline.d/root.conf": "root=UUID=1 quiet\n"},
            "Write this one line to /etc/cmdline.d/vfio-doctor.conf: "
            "vfio-pci.ids=10de:2482,10de:228b",
        ),
    ],
)
def test_a_sealed_image_gets_the_exact_line(
    tmp_path: Path, capsys: Output, files: dict[str, str], snippet: str
) -> None:
    set_up(tmp_path, unbound(STUB, Parts({**files}), *NO_LIBVIRT, ids=""))
    said = " ".join("".join(capsys.readouterr()).split())
    assert snippet in said
    assert "Step by step" not in said
    assert "/etc/group" not in said


@pytest.mark.parametrize(
    "bridges",
    [
        f"{PORT}11",
        # A card with a switch of its own.
        f"{PORT}11\n08:01.0 1002:1478 060400 pcieport 11",
    ],
)
def test_bridges_that_lead_only_to_the_card_are_no_reason(
    tmp_path: Path, capsys: Output, bridges: str
) -> None:
    set_up(tmp_path, unbound(ids="", changes=((f"{PORT}4", bridges),)))
    said = capsys.readouterr()
    assert f"Bind {CARD} and {AUDIO} to vfio-pci" in said.out, said.err
    assert "vfio-pci.ids=10de:2482,10de:228b" in said.out
