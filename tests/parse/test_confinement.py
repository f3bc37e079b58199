"""Rules of AppArmor, and records of what was denied."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
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
        ("/dev/kvmfr0 rw", None),
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


def test_includes() -> None:
    found = parse(
        "#include <local/abstractions/libvirt-qemu>\n"
        "  include if exists <abstractions/libvirt-qemu.d>\n"
        'include "/etc/apparmor.d/abstractions/base"\n# include nothing\n'
    )
    assert [(i.name, i.if_exists) for i in found.includes] == [
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
