"""``teardown`` on hosts whose files somebody has written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Missing, Stat

Output = pytest.CaptureFixture[str]
HOOK, QEMU_CONF = "/etc/libvirt/hooks/qemu", "/etc/libvirt/qemu.conf"
CONTEXTS = "/etc/selinux/targeted/contexts/files/file_contexts.local"
STATE = "/var/lib/vfio-doctor"


def torn_down(
    tmp_path: Path,
    name: str,
    what: str,
    files: Mapping[str, str],
    stats: Mapping[str, Stat | Missing] | None = None,
    *words: str,
) -> int:
    host = hosts.changed(CapturedHost(catalogue.capture(name)), files, stats=stats)
    path = tmp_path / "host.host"
    save(host.capture, path)
    return status(["teardown", what, "--capture", str(path), "--dry-run", *words])


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_a_link_to_a_file_that_is_edited_stops_nothing(
    tmp_path: Path, capsys: Output
) -> None:
    # Debian's own: /etc/modules-load.d/modules.conf.
    text = "loop\nvfio\nvfio_pci\n"
    link = "/etc/modules-load.d/modules.conf"
    files, stats = {"/etc/modules": text, link: text}, {link: hosts.link("../modules")}
    name = "debian12-driverctl"
    assert torn_down(tmp_path, name, "passthrough", files, stats, "--leftovers") == 0
    said = capsys.readouterr().out
    assert "Change /etc/modules\n" in said
    assert "Delete /etc/driverctl.d/pci-0000:08:00.0" in said
    assert link not in said


def test_a_link_to_elsewhere_stays_and_the_rest_goes(
    tmp_path: Path, capsys: Output
) -> None:
    link = "/etc/modprobe.d/mine.conf"
    files = {link: "options vfio-pci ids=1234:5678\n"}
    stats = {link: hosts.link("/opt/mine.conf")}
    name = "debian12-driverctl"
    assert torn_down(tmp_path, name, "passthrough", files, stats, "--leftovers") == 0
    said = one_line(capsys.readouterr().out)
    assert f"{link} is a symbolic link to /opt/mine.conf" in said
    assert f"Change {link}" not in said
    assert "Delete /etc/driverctl.d/pci-0000:08:00.0" in said


def test_a_hook_that_does_more_than_starting_hooks_stays(
    tmp_path: Path, capsys: Output
) -> None:
    capture = catalogue.capture("bazzite-half-undone")
    held = capture.files[HOOK]
    assert isinstance(held, bytes)
    own = f"{held.decode()}systemctl set-property system.slice AllowedCPUs=0-3\n"
    name = "bazzite-half-undone"
    torn_down(tmp_path, name, "passthrough", {HOOK: own}, None, "--leftovers")
    said = one_line(capsys.readouterr().out)
    assert f"Delete {HOOK}" not in said
    assert "it does more than starting the hooks" in said


def test_a_hook_that_only_speaks_of_the_folder_is_none_of_theirs(
    tmp_path: Path, capsys: Output
) -> None:
    own = "#!/bin/sh\n# no qemu.d, no hooks\nlogger started\n"
    name = "bazzite-half-undone"
    torn_down(tmp_path, name, "passthrough", {HOOK: own}, None, "--leftovers")
    assert HOOK not in capsys.readouterr().out


def test_comments_of_a_person_stay(tmp_path: Path, capsys: Output) -> None:
    line = "#" * 29
    text = f"{line}\n# mine\n{line}\noptions vfio-pci ids=1234:5678\n"
    files = {"/etc/modprobe.d/mine.conf": text}
    name = "debian12-driverctl"
    torn_down(tmp_path, name, "passthrough", files, None, "--leftovers")
    said = capsys.readouterr().out
    assert "-options vfio-pci ids=1234:5678\n" in said
    assert f" {line}\n" in said
    assert f"-{line}\n" not in said


def test_a_softdep_that_names_more_stays(tmp_path: Path, capsys: Output) -> None:
    text = "options vfio-pci ids=1:2\nsoftdep nouveau pre: vfio-pci post: other\n"
    files = {"/etc/modprobe.d/mine.conf": text}
    name = "debian12-driverctl"
    torn_down(tmp_path, name, "passthrough", files, None, "--leftovers")
    said = capsys.readouterr().out
    assert "-options vfio-pci ids=1:2\n" in said
    assert "-softdep" not in said


@pytest.mark.parametrize(("used", "stays"), [(False, True), (True, False)])
def test_a_guides_files_are_ours_only_if_we_were_there(
    tmp_path: Path, capsys: Output, used: bool, stays: bool
) -> None:
    files = {"/etc/modprobe.d/kvmfr.conf": "options kvmfr static_size_mb=128\n"}
    state = {STATE: Stat(Kind.DIRECTORY, 0o755, 0, 0)}
    stats: dict[str, Stat | Missing] = {**state} if used else {}
    torn_down(tmp_path, "debian12-driverctl", "looking-glass", files, stats)
    said = capsys.readouterr()
    assert ("Delete /etc/modprobe.d/kvmfr.conf" not in said.out) is stays
    assert ("--leftovers takes that out" in said.err) is stays


def test_a_context_for_one_kind_of_file_is_left_to_the_person(
    tmp_path: Path, capsys: Output
) -> None:
    text = "/dev/kvmfr0 -c system_u:object_r:svirt_image_t:s0\n"
    name = "bazzite-half-undone"
    torn_down(tmp_path, name, "looking-glass", {CONTEXTS: text}, None, "--leftovers")
    said = one_line(capsys.readouterr().out)
    assert "semanage fcontext -d" not in said
    assert "take it out with `semanage`" in said
    assert "Delete /etc/modprobe.d/kvmfr.conf" in said


def test_what_only_stays_is_not_called_nothing(tmp_path: Path, capsys: Output) -> None:
    link = "/etc/modprobe.d/kvmfr.conf"
    files = {link: "options kvmfr static_size_mb=128\n"}
    stats = {link: hosts.link("/opt/kvmfr.conf")}
    assert torn_down(tmp_path, "debian12-driverctl", "looking-glass", files, stats) == 0
    said = one_line(capsys.readouterr().out)
    assert "Nothing of such a set-up was found" not in said
    assert "There is nothing here that can be taken out without you" in said


@pytest.mark.parametrize(
    ("what", "path", "text"),
    [
        ("passthrough", "/etc/modules", "vfio\n"),
        ("passthrough", "/etc/initramfs-tools/modules", "vfio_pci\n"),
        (
            "looking-glass",
            "/etc/apparmor.d/local/abstractions/libvirt-qemu",
            "/dev/kvmfr0 rw,\n",
        ),
    ],
)
def test_a_file_that_has_to_be_there_is_left_empty(
    tmp_path: Path, capsys: Output, what: str, path: str, text: str
) -> None:
    torn_down(tmp_path, "debian12-driverctl", what, {path: text}, None, "--leftovers")
    said = capsys.readouterr().out
    assert f"Change {path}\n" in said
    assert f"Delete {path}" not in said
    assert f"-{text}" in said


def test_what_nixos_makes_is_taken_out_of_its_configuration(
    tmp_path: Path, capsys: Output
) -> None:
    made = "/etc/modprobe.d/nixos.conf"
    files = {
        "/etc/os-release": "ID=nixos\n",
        made: "options vfio-pci ids=1234:5678\n",
    }
    name = "debian12-driverctl"
    torn_down(tmp_path, name, "passthrough", files, None, "--leftovers")
    said = one_line(capsys.readouterr().out)
    assert f"Delete {made}" not in said
    assert "take out of configuration.nix what it comes from" in said


CONF = "/etc/mkinitcpio.conf"
ODD = "the list is written in a way of its own: take the modules out by hand"


@pytest.mark.parametrize(
    "text",
    [
        'MODULES="btrfs vfio_pci vfio vfio_iommu_type1"\n',
        "MODULES=(btrfs\n  vfio_pci # the card\n  vfio)\n",
        "MODULES=('vfio_pci' 'vfio')\n",
    ],
    ids=["one string", "many lines", "quotes"],
)
def test_a_list_in_a_form_of_its_own_is_named_and_left(
    tmp_path: Path, capsys: Output, text: str
) -> None:
    files = {CONF: f"{text}HOOKS=(base modconf)\n"}
    torn_down(tmp_path, "arch-by-hand", "passthrough", files, None, "--leftovers")
    said = one_line(capsys.readouterr().out)
    assert ODD in said.partition("What is left as it is:")[2]
    assert f"Change {CONF}" not in said
    assert "Change /etc/modprobe.d/vfio.conf" in said


@pytest.mark.parametrize(
    "text",
    [
        "MODULES=(btrfs)\n# MODULES=(vfio_pci vfio)\n",
        "MODULES=(btrfs)\nFILES=(/etc/vfio/vfio_pci)\n",
        "MODULES=(btrfs vfio_mdev)\n",
    ],
)
def test_what_names_no_module_of_vfio_is_not_named(
    tmp_path: Path, capsys: Output, text: str
) -> None:
    files = {CONF: f"{text}HOOKS=(base modconf)\n"}
    torn_down(tmp_path, "arch-by-hand", "passthrough", files, None, "--leftovers")
    assert ODD not in one_line(capsys.readouterr().out)


@pytest.mark.parametrize("named", [True, False])
def test_a_script_that_the_image_holds_is_not_to_be_deleted_yet(
    tmp_path: Path, capsys: Output, named: bool
) -> None:
    script = "/usr/local/bin/vfio-pci-override.sh"
    held = f"FILES=({script})" if named else f"#FILES=({script})"
    files = {
        "/etc/modprobe.d/vfio.conf": f"install vfio-pci {script}\n",
        CONF: f"MODULES=(vfio_pci)\n{held}\nHOOKS=(base modconf)\n",
    }
    torn_down(tmp_path, "arch-by-hand", "passthrough", files, None, "--leftovers")
    said = one_line(capsys.readouterr().out)
    assert (f"take it out of {CONF} before you delete it" in said) == named
    assert ("delete it if you want to" in said) != named


def test_driverctl_is_told_with_the_driver_and_other_drivers_stay(
    tmp_path: Path, capsys: Output
) -> None:
    files = {
        "/etc/driverctl.d/pci-0000:09:00.3": "mlx5-vfio-pci\n",
        "/etc/driverctl.d/pci-0000:06:00.0": "r8168\n",
        "/etc/driverctl.d/pci-0000:02:00.0": "none\n",
    }
    name = "debian12-driverctl"
    torn_down(tmp_path, name, "passthrough", files, None, "--leftovers")
    said = capsys.readouterr().out
    assert "driverctl gives 0000:09:00.3 to mlx5-vfio-pci" in said
    assert "pci-0000:06:00.0" not in said
    assert "pci-0000:02:00.0" not in said
