"""``setup``: one plan for what Looking Glass needs, and the VM's lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fixture_hosts import catalogue
from vfio_doctor.cli import status
from vfio_doctor.facts.kvmfr.size import mib_for

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
@pytest.mark.parametrize(
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
