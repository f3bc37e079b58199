"""``setup --format``: the same set-up as lines of a Containerfile, or of NixOS."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from support.iommu_off import off
from support.machines import PCI
from support.rows import for_each
from support.unbound_card import AUDIO, CARD, HOSTS_CARD, unbound
from vfio_doctor.cli import status
from vfio_doctor.facts.set_up_files import SetUpFiles
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import Capture
from vfio_doctor.parse import modprobe
from vfio_doctor.report.set_up_files import nixos_module

Output = pytest.CaptureFixture[str]
LG, PATH = "looking-glass", "/usr/sbin:/usr/bin:/sbin:/bin"
TWIN = (("07:00.0 1002:67df", "07:00.0 10de:2482"),)


def printed(tmp_path: Path, host: Capture, form: str, *words: str) -> int:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "host.host"
    save(host, path)
    return status(["setup", *words, "--capture", str(path), "--format", form])


def files_of(text: str) -> dict[str, str]:
    """The files that a Containerfile copies, as a build reads them."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("COPY <<'EOF' "):
            inside: list[str] = []
            for each in lines:
                if each == "EOF":
                    break
                inside.append(each)
            found[line.rpartition(" ")[2]] = "\n".join(inside) + "\n"
    return found


def test_a_card_for_a_containerfile(tmp_path: Path, capsys: Output) -> None:
    host = unbound(ids="")
    assert printed(tmp_path, host, "bootc", "passthrough", "--device", CARD) == 0
    said = capsys.readouterr().out
    files = files_of(said)
    assert files["/usr/lib/bootc/kargs.d/50-vfio-doctor.toml"] == (
        'kargs = ["vfio-pci.ids=10de:2482,10de:228b", "kvm.report_ignored_msrs=0"]\n'
    )
    options = modprobe.parse(files["/usr/lib/modprobe.d/vfio-doctor.conf"])
    assert options.problems == ()
    assert options.modules("softdep") == ("nouveau", "snd_hda_intel")
    dracut = files["/usr/lib/dracut/dracut.conf.d/50-vfio-doctor.conf"]
    assert dracut == 'force_drivers+=" vfio_pci vfio vfio_iommu_type1 "\n'
    assert "RUN kver=" in said


def test_twins_are_bound_by_address(tmp_path: Path, capsys: Output) -> None:
    host = unbound(ids="", changes=TWIN)
    assert printed(tmp_path, host, "bootc", "passthrough", "--device", CARD) == 0
    files = files_of(capsys.readouterr().out)
    kargs = files["/usr/lib/bootc/kargs.d/50-vfio-doctor.toml"]
    assert f'"vfio-doctor.bind={CARD},{AUDIO}"' in kargs
    assert "vfio-pci.ids" not in kargs
    text = files["/usr/lib/modprobe.d/vfio-doctor.conf"]
    assert text.startswith("install vfio-pci read -r l < /proc/cmdline; for w in $l;")


@pytest.mark.parametrize("form", ["bootc", "nixos"])
def test_what_the_host_needs_stays(tmp_path: Path, capsys: Output, form: str) -> None:
    host = unbound(ids="")
    assert printed(tmp_path, host, form, "passthrough", "--device", HOSTS_CARD) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "the firmware and the console draw on it" in said.err


def test_with_the_iommu_off_the_tree_decides(tmp_path: Path, capsys: Output) -> None:
    assert printed(tmp_path, off(), "bootc", "passthrough", "--device", CARD) == 0
    assert "vfio-pci.ids" in capsys.readouterr().out


def test_looking_glass_for_a_containerfile(tmp_path: Path, capsys: Output) -> None:
    host = catalogue.capture("healthy-bazzite")
    words = ("looking-glass", "--resolution", "3840x2160")
    assert printed(tmp_path, host, "bootc", *words) == 0
    said = capsys.readouterr().out
    files = files_of(said)
    assert files["/usr/lib/modules-load.d/50-vfio-doctor.conf"] == "kvmfr\n"
    option = files["/usr/lib/modprobe.d/vfio-doctor-kvmfr.conf"]
    assert option == "options kvmfr static_size_mb=128\n"
    rule = files["/usr/lib/udev/rules.d/70-kvmfr.rules"]
    assert rule == 'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", TAG+="uaccess"\n'
    assert "cgroup_device_acl hold /dev/kvmfr0" in said


def test_a_module_of_nixos(tmp_path: Path, capsys: Output) -> None:
    host = unbound(ids="", changes=TWIN)
    assert printed(tmp_path, host, "nixos", "passthrough", "--device", CARD) == 0
    said = capsys.readouterr().out
    assert f'"vfio-doctor.bind={CARD},{AUDIO}"' in said
    assert 'lib.mkBefore [ "vfio_pci" "vfio" "vfio_iommu_type1" ]' in said
    # A shell's ${...} would be read by Nix.
    assert "in ''${w#*=};" in said
    closed(said)


def test_a_module_of_nixos_for_looking_glass(tmp_path: Path, capsys: Output) -> None:
    host = catalogue.capture("healthy-bazzite")
    assert printed(tmp_path, host, "nixos", "looking-glass") == 0
    said = capsys.readouterr().out
    assert "config.boot.kernelPackages.kvmfr" in said
    assert 'boot.kernelModules = [ "kvmfr" ];' in said
    assert '"/dev/userfaultfd", "/dev/kvmfr0"\n' in said
    closed(said)


def test_selinux_lets_vms_open_the_device(tmp_path: Path, capsys: Output) -> None:
    host = catalogue.capture("healthy-bluefin-vm")
    assert printed(tmp_path, host, "bootc", "looking-glass") == 0
    rule = files_of(capsys.readouterr().out)["/usr/lib/udev/rules.d/70-kvmfr.rules"]
    assert rule.endswith(', SECLABEL{selinux}="system_u:object_r:svirt_image_t:s0"\n')


def parsed(*argv: str | Path) -> str:
    return subprocess.run(
        argv, capture_output=True, text=True, check=True, env={"PATH": PATH}
    ).stdout


@pytest.mark.runs("modprobe", "bash")
@pytest.mark.needs_tool("modprobe")
@pytest.mark.parametrize("changes", [(), TWIN], ids=["by ids", "by address"])
def test_the_tools_themselves_read_the_files(
    tmp_path: Path, capsys: Output, changes: tuple[tuple[str, str], ...]
) -> None:
    """modprobe, the shell that dracut is, and a reader of TOML take them as meant."""
    host = unbound(ids="", changes=changes)
    printed(tmp_path, host, "bootc", "passthrough", "--device", CARD)
    files = files_of(capsys.readouterr().out)
    printed(tmp_path / "lg", catalogue.capture("healthy-bluefin-vm"), "bootc", LG)
    files |= files_of(capsys.readouterr().out)
    for path, text in files.items():
        where = tmp_path / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
    below = tmp_path / "usr/lib"
    words = parsed("modprobe", "-C", below / "modprobe.d", "--showconfig").splitlines()
    assert "options kvmfr static_size_mb=128" in words
    assert "softdep nouveau pre: vfio-pci" in words
    assert any(line.startswith("install vfio_pci ") for line in words) == bool(changes)
    conf = below / "dracut/dracut.conf.d/50-vfio-doctor.conf"
    drivers = parsed(
        "bash", "-euc", 'force_drivers=; . "$1"; echo $force_drivers', "", conf
    )
    assert drivers.split() == ["vfio_pci", "vfio", "vfio_iommu_type1"]
    kargs = below / "bootc/kargs.d/50-vfio-doctor.toml"
    held = tomllib.loads(kargs.read_text())
    assert list(held) == ["kargs"]
    bind = f"vfio-doctor.bind={CARD},{AUDIO}"
    assert held["kargs"][0] == (bind if changes else "vfio-pci.ids=10de:2482,10de:228b")


def closed(text: str) -> None:
    """Nix itself is not here; what it opens is closed."""
    for opening, closing in ("{}", "[]"):
        assert text.count(opening) == text.count(closing)


def test_a_driver_of_a_strange_name_gets_no_line(
    tmp_path: Path, capsys: Output
) -> None:
    host = unbound(ids="")
    uevent = f"{PCI}/{CARD}/uevent"
    held = host.files[uevent]
    assert isinstance(held, bytes)
    host.files[uevent] = held.replace(b"=nouveau", b"=nou'${builtins.abort null} x")
    assert printed(tmp_path, host, "bootc", "passthrough", "--device", CARD) == 0
    said = capsys.readouterr().out
    assert "abort" not in said
    assert "softdep snd_hda_intel pre: vfio-pci" in said


@for_each(
    ("line", "escaped"),
    [
        # Nix reads ''' as two quotes, ''\\ as what follows, ''$ as a dollar.
        ("a'${x}", r"a''\'''${x}"),
        ("a''b", r"a''\''b"),
        ("a$b 'c' ${d}", "a$b 'c' ''${d}"),
    ],
)
def test_nothing_of_a_line_is_read_by_nix(line: str, escaped: str) -> None:
    text = nixos_module(SetUpFiles(options=(line,)))
    assert f"    {escaped}\n" in text
