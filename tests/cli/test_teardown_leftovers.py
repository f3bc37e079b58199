"""``teardown`` on hosts that recipes, other tools or guides have set up."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save

Output = pytest.CaptureFixture[str]


def torn_down(tmp_path: Path, name: str, what: str, *words: str) -> int:
    path = tmp_path / "host.host"
    save(catalogue.capture(name), path)
    return status(["teardown", what, "--capture", str(path), "--dry-run", *words])


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_without_being_asked_for_it_stays(tmp_path: Path, capsys: Output) -> None:
    assert torn_down(tmp_path, "debian12-quickpassthrough", "passthrough") == 0
    said = capsys.readouterr()
    assert "What recipes, other tools or guides left here:" in said.out
    assert "What vfio-doctor " not in said.out
    assert "Step by step" not in said.out
    assert "--leftovers takes that out, too" in said.err


def test_quickpassthrough(tmp_path: Path, capsys: Output) -> None:
    name = "debian12-quickpassthrough"
    assert torn_down(tmp_path, name, "passthrough", "--leftovers") == 0
    said = capsys.readouterr().out
    assert "Delete /etc/modprobe.d/vfio.conf" in said
    assert " # List of modules, one a line" in said
    for gone in ("# Added by quickpassthrough #", "vfio_pci", "vfio_iommu_type1"):
        assert f"-{gone}\n" in said
    assert "Run update-initramfs -u -k all" in said
    after = next(x for x in said.splitlines() if x.startswith("  after: "))
    assert "vfio" not in after
    assert "iommu=pt amd_iommu=on" in after
    assert "other devices and VMs may use the IOMMU" in one_line(said)


def test_the_iommu_goes_if_it_is_asked_for(tmp_path: Path, capsys: Output) -> None:
    name = "debian12-quickpassthrough"
    torn_down(tmp_path, name, "passthrough", "--leftovers", "--iommu")
    said = capsys.readouterr().out
    after = next(x for x in said.splitlines() if x.startswith("  after: "))
    assert "iommu" not in after


def test_by_hand_after_the_arch_wiki(tmp_path: Path, capsys: Output) -> None:
    assert torn_down(tmp_path, "arch-by-hand", "passthrough", "--leftovers") == 0
    said = capsys.readouterr().out
    assert "+options vfio-pci disable_idle_d3=1\n" in said
    assert "-softdep drm pre: vfio-pci\n" in said
    assert "+MODULES=(btrfs)\n" in said
    assert "Run mkinitcpio -P" in said


def test_driverctl(tmp_path: Path, capsys: Output) -> None:
    name = "debian12-driverctl"
    assert torn_down(tmp_path, name, "passthrough", "--leftovers") == 0
    said = capsys.readouterr().out
    assert "Delete /etc/driverctl.d/pci-0000:08:00.0" in said
    assert "Delete /etc/driverctl.d/pci-0000:08:00.1" in said
    assert "update-initramfs" not in said


def test_what_the_recipes_left_of_passthrough(tmp_path: Path, capsys: Output) -> None:
    name = "bazzite-half-undone"
    assert torn_down(tmp_path, name, "passthrough", "--leftovers") == 0
    said = one_line(capsys.readouterr().out)
    for gone in ("rd.driver.pre=vfio_pci", "vfio_pci.ids=10de:2482,10de:228b"):
        assert f"--delete={gone}" in said
    assert said.count("Run rpm-ostree kargs") == 1
    for path in (
        "/etc/dracut.conf.d/vfio.conf",
        "/etc/libvirt/hooks/qemu",
        "/etc/udev/rules.d/72-usbhp.rules",
    ):
        assert f"Delete {path}" in said
    for stays in ("split_lock_detect=off", "alice in the group libvirt", "iommu=pt"):
        assert stays in said.partition("What is left as it is:")[2]
    assert "`sudo rpm-ostree initramfs --disable`" in said


def test_what_the_recipes_left_of_looking_glass(tmp_path: Path, capsys: Output) -> None:
    name = "bazzite-half-undone"
    assert torn_down(tmp_path, name, "looking-glass", "--leftovers") == 0
    said = one_line(capsys.readouterr().out)
    assert "--delete=kvmfr.static_size_mb=128" in said
    for path in (
        "/etc/dracut.conf.d/kvmfr.conf",
        "/etc/modprobe.d/kvmfr.conf",
        "/etc/tmpfiles.d/10-looking-glass.conf",
        "/etc/udev/rules.d/70-kvmfr.rules",
        "/etc/udev/rules.d/99-kvmfr.rules",
    ):
        assert f"Delete {path}" in said
    assert '+ "/dev/userfaultfd"' in said
    assert "Run semanage fcontext -d /dev/kvmfr0" in said
    assert "Run semodule -d kvmfr" in said


def test_hooks_of_ones_own_keep_the_dispatcher(tmp_path: Path, capsys: Output) -> None:
    capture = catalogue.capture("bazzite-half-undone")
    capture.lists["/etc/libvirt/hooks/qemu.d"] = ("win11",)
    path = tmp_path / "host.host"
    save(capture, path)
    words = ["--capture", str(path), "--dry-run", "--leftovers"]
    assert status(["teardown", "passthrough", *words]) == 0
    said = one_line(capsys.readouterr().out)
    assert "Delete /etc/libvirt/hooks/qemu" not in said
    assert "it starts the hooks in /etc/libvirt/hooks/qemu.d" in said


def test_nothing_is_found_on_a_bare_host(tmp_path: Path, capsys: Output) -> None:
    assert torn_down(tmp_path, "iommu-off-in-firmware", "looking-glass") == 0
    assert "Nothing of such a set-up was found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("looking-glass", "--iommu", "--dry-run"), "--iommu is for"),
        (("passthrough",), "add --dry-run"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, capsys: Output, words: tuple[str, ...], told: str
) -> None:
    path = tmp_path / "host.host"
    save(catalogue.capture("debian12-driverctl"), path)
    assert status(["teardown", *words, "--capture", str(path)]) == 2
    assert told in capsys.readouterr().err
