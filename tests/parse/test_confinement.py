"""Rules of AppArmor, and records of what was denied."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from support.tools import found
from vfio_doctor.parse.apparmor import matches, parse
from vfio_doctor.parse.denials import denial, denials, type_of

NODE = "/dev/kvmfr0"


@for_each(
    ("text", "verdict"),
    [
        ("  /dev/kvmfr0 rw,", True),
        ("/dev/kvmfr[0-9]* rw,  # ours", True),
        ("rw /dev/kvmfr*,", True),
        ('audit "/dev/kvmfr0" rwk,', True),
        ("file /dev/{kvm,kvmfr?} rw,", True),
        ("/dev/kvmfr0 r,\n/dev/kvmfr0 w,", True),
        ("/dev/** rw,", True),
        ("/dev/kvmfr0 rw", True),
        ("/dev/kvmfr0\n  rw,", True),
        ("file,", True),
        ("deny file,", False),
        ("owner file,", None),
        ("profile x flags=(complain) {\n}", True),
        ("profile x {\n  /dev/kvmfr0 rw,\n}", None),
        ("/dev/kvmfr0 rwx,", None),
        ("# /dev/kvmfr0 rw,", None),
        ("/dev/kvmfr0 r,", None),
        ("/dev/kvm rw,", None),
        ("owner /dev/kvmfr0 rw,", None),
        ("/dev/kvmfr0 rw,\ndeny /dev/kvmfr0 w,", False),
        ("@{DEV}/kvmfr0 rw,", None),
        ("capability kill,", None),
    ],
)
def test_a_file_opens_a_device(text: str, verdict: bool | None) -> None:
    assert parse(text).verdict(NODE) is verdict


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("/dev/kvmfr0 rw\n", [1]),
        ("/dev/a rw,\n\n  owner /dev/b r # mine\n# c\n/dev/c rw,\n", [3]),
        ("rw /dev/a\n", [1]),
        ("/dev/a rw, /dev/b r\n", [1]),
        ("/dev/a rw\n,\n", []),
        ("/dev/a\n rw,\n", []),
        ("/dev/a px\n -> b,\n", []),
        ("/dev/a rw, # c\n", []),
        ("/dev/a rw ,\n", []),
        ("profile a /usr/bin/b {\n/dev/a RW,\n}\n", []),
    ],
)
def test_rules_without_their_comma(text: str, lines: list[int]) -> None:
    assert [line for line, _ in parse(text).unfinished] == lines


PARSER = "apparmor_parser"


@pytest.mark.needs_tool(PARSER)
@pytest.mark.runs(PARSER)
@pytest.mark.parametrize(
    "text",
    [
        *("/dev/a rw\n", "owner /dev/a rw\n", "/dev/a rw # c\n", "rw /dev/a\n"),
        *("/dev/a rw, /dev/b r\n", "/dev/a rw\n/dev/b rw,\n", "/dev/a rwm\n"),
        *("/dev/a rw\n,\n", "/dev/a\n rw,\n", "/dev/a rw ,\n", "/dev/a RW,\n"),
        *("/dev/a rw,\n", "/dev/a rw, # c\n", "rw /dev/a,\n", "audit /dev/a r,\n"),
        *("/dev/a rwx,\n", "dev/a rw,\n", "/dev/a rw;\n", "/dev/a, rw,\n", "/dev/a,\n"),
        *("\u201c/dev/a\u201d rw,\n", "/dev/a wa,\n", "/dev/a rPx,\n", "rw dev/a,\n"),
        *("/dev/a read,\n", "@{A}=/dev/a\n", "/dev/a{,1} rw,/dev/b r,\n", "file,\n"),
        *("/dev/#[0-9]* rw,\n", "/dev/a rwl -> /dev/b,\n", "mount /dev/a -> /b/,\n"),
    ],
)
def test_apparmor_refuses_the_same(text: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(f"profile x {{\n{text}}}\n")
    argv = (found(PARSER), "-Q", "-K", "--base", str(tmp_path), str(profile))
    done = subprocess.run(argv, capture_output=True, check=False)
    read = parse(text)
    assert (done.returncode != 0) == bool(read.unfinished or read.wrong), done


SHIPPED = Path("/etc/apparmor.d")


def test_what_packages_ship_is_taken() -> None:
    """The grammar is wider than rules for files; what else is in it is passed over."""
    for path in sorted(SHIPPED.glob("abstractions/**/*")):
        if path.is_file():
            read = parse(path.read_text())
            assert (read.unfinished, read.wrong) == ((), ()), path


def test_includes() -> None:
    seen = parse(
        "#include <local/abstractions/libvirt-qemu>\n"
        "  include if exists <abstractions/libvirt-qemu.d>\n"
        'include "/etc/apparmor.d/abstractions/base"\n# include nothing\n'
    )
    assert [(i.name, i.if_exists) for i in seen.includes] == [
        ("local/abstractions/libvirt-qemu", False),
        ("abstractions/libvirt-qemu.d", True),
        ("abstractions/base", False),
    ]


@given(st.text(alphabet="/dev*?[]{}^,\\ab0-9", max_size=60))
def test_no_glob_raises(glob: str) -> None:
    matches(glob, NODE)
    parse(f"{glob} rw,")


AVC = (
    'avc:  denied  {{ read write }} for  pid=1 comm="q" {} dev="tmpfs" ino=2'
    " scontext=system_u:system_r:svirt_t:s0:c1,c2"
    " tcontext=system_u:object_r:device_t:s0 tclass=chr_file permissive={}"
)
ARMOR = 'apparmor="{}" operation="{}" profile="libvirt-1" name="/dev/kvmfr0" pid=1'


def test_records() -> None:
    found = denial(AVC.format('name="kvmfr0"', 0))
    assert found is not None
    assert found[:6] == (*("selinux", NODE, "read write", "svirt_t", "device_t", True),)
    armor = denial(ARMOR.format("DENIED", "open"))
    assert armor is not None
    assert (armor.driver, armor.path, armor.in_private) == ("apparmor", NODE, True)
    absent = denial(ARMOR.format("DENIED", "mknod"))
    assert absent is not None
    assert not absent.in_private


@for_each(
    "line",
    [
        AVC.format('name="kvmfr0"', 1),
        AVC.format('name="kvm"', 0),
        AVC.format('name="kvmfr0.txt"', 0),
        ARMOR.format("ALLOWED", "open"),
        "kvmfr: creating 1 static devices",
    ],
)
def test_what_is_no_record(line: str) -> None:
    assert denials(line) == ()


@given(st.text(max_size=80))
def test_no_line_raises(text: str) -> None:
    denials(f"kvmfr0 {text}")
    type_of(text)
