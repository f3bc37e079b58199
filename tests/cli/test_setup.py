"""``setup``: one plan for what Looking Glass needs, and the VM's lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.cli import status
from vfio_doctor.facts.kvmfr.size import mib_for
from vfio_doctor.host.capture_io import save

Output = pytest.CaptureFixture[str]


def set_up(host: str, *words: str) -> int:
    path = str(catalogue.path(host))
    return status(
        ["setup", "looking-glass", "--capture", path, "--dry-run", *words],
    )


def test_one_plan_and_the_lines_of_the_vm(capsys: Output) -> None:
    set_up("bluefin-dx-2121", "--resolution", "3840x2160", "--hdr")
    said = capsys.readouterr().out
    assert "+options kvmfr static_size_mb=256" in said
    assert "+kvmfr" in said
    assert 'OWNER="alice"' in said
    assert f"'size':{256 << 20}," in said
    assert said.index("dry run") < said.index("<qemu:commandline>")


@pytest.mark.parametrize(
    ("mode", "mib", "written"),
    [("1920x1080", 128, False), ("3840x2160", 128, False), ("7680x4320", 512, True)],
)
def test_a_size_that_is_large_enough_stays(
    capsys: Output, mode: str, mib: int, written: bool
) -> None:
    set_up("healthy-bluefin", "--resolution", mode)
    said = capsys.readouterr().out
    assert f"'size':{mib << 20}," in said
    assert (f"static_size_mb={mib}" in said.partition("Then give")[0]) is written


def test_nothing_is_asked_twice_of_a_host_that_has_all(capsys: Output) -> None:
    assert set_up("healthy-bluefin") == 0
    said = capsys.readouterr().out
    assert "nothing to repair" in said
    assert f"'size':{128 << 20}," in said


def test_a_host_without_the_module_is_told_first(capsys: Output) -> None:
    set_up("healthy-bluefin-no-looking-glass")
    captured = capsys.readouterr()
    assert "The kvmfr module is not installed" in captured.out
    assert "<qemu:" not in captured.out
    assert "--size" not in captured.out
    assert "Once the module is there" in captured.err


def test_a_plan_of_something_else_does_not_hide_that(capsys: Output) -> None:
    """The plan sets an argument of KVM's: it is not the set-up that was asked for."""
    set_up("case-vfio-04-b450-card-behind-chipset")
    captured = capsys.readouterr()
    assert "This is what would be done" in captured.out
    told = " ".join(captured.err.split())
    assert "does not set up Looking Glass yet. By hand: Run `sudo apt install" in told
    assert "Once the module is there" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resolution", "1080p"], "no resolution such as 2560x1440"),
        (["--resolution", "0x0"], "no resolution"),
        (["--resolution", "15360x8640"], "1024 MiB is the most"),
    ],
)
def test_nonsense_is_refused(capsys: Output, words: list[str], told: str) -> None:
    assert set_up("healthy-bluefin", *words) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_capture_is_not_set_up(capsys: Output) -> None:
    path = str(catalogue.path("healthy-bluefin"))
    assert status(["setup", "looking-glass", "--capture", path]) == 2
    assert "add --dry-run" in capsys.readouterr().err


# Sizes of the table that Looking Glass's documentation gives for its two formulas.
@for_each(
    ("mode", "hdr", "mib"),
    [
        ((1280, 720), False, 32),
        ((1920, 1080), False, 32),
        ((1920, 1080), True, 64),
        ((2560, 1440), True, 128),
        ((3840, 2160), False, 128),
        ((3840, 2160), True, 256),
        ((7680, 4320), True, 1024),
    ],
)
def test_the_size_holds_either_formula(
    mode: tuple[int, int], hdr: bool, mib: int
) -> None:
    assert mib_for(*mode, hdr) == mib


def test_the_lines_are_what_a_parser_takes(capsys: Output, tmp_path: Path) -> None:
    import json
    from xml.etree import ElementTree

    set_up("healthy-bluefin")
    block = capsys.readouterr().out.partition("itself:")[2]
    space = "http://libvirt.org/schemas/domain/qemu/1.0"
    root = ElementTree.fromstring(f"<domain xmlns:qemu='{space}'>{block}</domain>")
    values = [arg.get("value", "") for arg in root.iter(f"{{{space}}}arg")]
    assert [json.loads(v.replace("'", '"'))["id"] for v in values[1::2]] == [
        "shmem0",
        "looking-glass",
    ]


def of_vm(tmp_path: Path, name: str, text: str) -> int:
    host = catalogue.capture("healthy-bazzite")
    host.files["/etc/libvirt/qemu/win11.xml"] = text.encode()
    host.lists["/etc/libvirt/qemu"] = ("win11.xml",)
    path = tmp_path / "host.host"
    save(host, path)
    words = ["looking-glass", "--capture", str(path), "--dry-run", "--vm", name]
    return status(["setup", *words])


VM = "<domain type='kvm'>\n  <name>win11</name>\n  <devices/>\n</domain>\n"


def test_the_change_to_a_vm_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_vm(tmp_path, "win11", VM)
    said = capsys.readouterr().out
    assert "`virsh edit win11`" in said
    assert "-<domain type='kvm'>\n+<domain type='kvm' xmlns:qemu=" in said
    assert "'mem-path':'/dev/kvmfr0','size':134217728,'share':true" in said


def test_a_vm_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert of_vm(tmp_path, "win10", VM) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "is called win10" in said.err


def test_a_vm_that_has_it_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    has = VM.replace("<devices/>", "<devices><shmem name='looking-glass'/></devices>")
    of_vm(tmp_path, "win11", has)
    assert "`vfio-doctor vm win11`" in capsys.readouterr().out
