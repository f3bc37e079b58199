"""setup on hosts that others have set up: what is missing comes, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.leftovers import IDS, QUICKPASSTHROUGH
from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import Capture

Output = pytest.CaptureFixture[str]
THEIR_CONF = QUICKPASSTHROUGH.files["/etc/modprobe.d/vfio.conf"]
THEIR_LIST = QUICKPASSTHROUGH.files["/etc/initramfs-tools/modules"]


def set_up(tmp_path: Path, host: Capture) -> int:
    path = tmp_path / "host.host"
    save(host, path)
    words = ["--capture", str(path), "--dry-run", "--device", CARD]
    return status(["setup", "passthrough", *words])


@pytest.mark.parametrize("name", ["debian12-quickpassthrough", "debian12-driverctl"])
def test_what_is_bound_already_stays(tmp_path: Path, capsys: Output, name: str) -> None:
    set_up(tmp_path, catalogue.capture(name))
    said = capsys.readouterr()
    assert "Step by step" not in said.out
    assert f"{CARD} is on vfio-pci, and something sees to it" in said.err


def test_by_hand_after_the_arch_wiki_it_stays(tmp_path: Path, capsys: Output) -> None:
    set_up(tmp_path, catalogue.capture("arch-by-hand"))
    said = capsys.readouterr()
    assert "Step by step" not in said.out
    assert f"{CARD} is on vfio-pci, and something sees to it" in said.err


def after(said: str) -> list[str]:
    line = next(x for x in said.splitlines() if x.startswith("  after: "))
    return line.split()[1:]


def test_half_of_quickpassthrough_is_completed(tmp_path: Path, capsys: Output) -> None:
    """The arguments name the card only, and no image was made."""
    theirs = Parts(
        {
            "/etc/modprobe.d/vfio.conf": THEIR_CONF,
            "/etc/initramfs-tools/modules": THEIR_LIST,
        }
    )
    host = unbound(theirs, ids="iommu=pt vfio_pci.ids=10de:2482")
    set_up(tmp_path, host)
    said = capsys.readouterr().out
    words = after(said)
    assert [w for w in words if "ids" in w] == [f"vfio_pci.ids={IDS}"]
    assert words.count("iommu=pt") == 1
    # The list of the initramfs has the modules already.
    assert "Change /etc/initramfs-tools/modules" not in said
    assert "update-initramfs -u -k all" in said


def test_a_list_in_modprobe_d_is_taken_over(tmp_path: Path, capsys: Output) -> None:
    text = "options vfio-pci ids=10de:2482\nsoftdep nouveau pre: vfio-pci\n"
    host = unbound(file("/etc/modprobe.d/vfio.conf", text), ids="")
    set_up(tmp_path, host)
    said = capsys.readouterr().out
    assert [w for w in after(said) if "ids" in w] == [f"vfio-pci.ids={IDS}"]
    assert said.count("/etc/initramfs-tools/modules (after)") == 1


def test_driverctl_for_one_function_is_completed(
    tmp_path: Path, capsys: Output
) -> None:
    host = unbound(file(f"/etc/driverctl.d/pci-{CARD}", "vfio-pci\n"), ids="")
    set_up(tmp_path, host)
    said = capsys.readouterr().out
    assert f"Bind {CARD} and {AUDIO} to vfio-pci" in said
    assert "driverctl.d" not in said
