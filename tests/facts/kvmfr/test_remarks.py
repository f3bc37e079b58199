"""Every remark on a udev rule has words."""

from __future__ import annotations

from support.rows import for_each
from vfio_doctor.facts.kvmfr.remarks import remark_reason
from vfio_doctor.parse.systemd_versions import read_version
from vfio_doctor.parse.udev_effects import Device, Names, Oddity, effects
from vfio_doctor.parse.udev_rules import FaultKind, parse_udev_rules

NODE = Device("kvmfr0", "kvmfr", "add", "/devices/virtual/kvmfr/kvmfr0", ("dev",))
SAID = [
    (258.4, 'OWNER="alice"', "alice is not a system user"),
    (259, 'OWNER="alice"', "alice is not a system user"),
    (260, 'OWNER="alice"', "alice is not a system user"),
    (259, 'GROUP="people"', "people is not a system group"),
    (252, 'OWNER="nobody-here"', "no account is called nobody-here"),
    (258, 'GROUP="nope"', "no group is called nope"),
    (256, 'KERNEL==i"KVMFR0", TAG+="a"', "this systemd does not know the prefix i"),
    (257, 'MODE="0660", \\', "the file ends inside this rule (backslash at the end)"),
    (257, f'TAG+="{"x" * 17000}"', "the rule is too long"),
    (257, "MODE=0660", "this is not a key with a quoted value: MODE=0660"),
    (257, 'WAIT_FOR=="y"', "there is no key WAIT_FOR"),
    (257, 'ENV="x"', "ENV needs an attribute in braces"),
    (257, 'KERNEL{x}=="y"', "KERNEL takes no attribute"),
    (257, 'IMPORT{nothing}="y"', "there is no IMPORT{nothing}"),
    (257, 'MODE=i"0660"', "the prefix i cannot stand in an assignment to MODE"),
    (257, 'NAME="%k"', "NAME renames network interfaces only, and takes no %k"),
    (
        257,
        'IMPORT{builtin}="nothing"',
        "IMPORT names a built-in that udev does not have",
    ),
    (257, 'ENV{DEVNAME}="x"', "ENV{DEVNAME} cannot be set by a rule"),
    (257, 'SUBSYSTEM="kvmfr"', "SUBSYSTEM does not take the operator ="),
]


@for_each(("systemd", "rule", "said"), SAID)
def test_reason(systemd: float, rule: str, said: str) -> None:
    names = Names({"alice": 1000}, {"people": 1000}, read_version(str(systemd)))
    (remark,) = effects([("x.rules", parse_udev_rules(rule))], NODE, names).remarks
    assert str(remark_reason(remark)) == said


def test_every_kind_is_said_above() -> None:
    kinds, faults = set(), set()
    for systemd, rule, _ in SAID:
        names = Names({"alice": 1000}, {"people": 1000}, read_version(str(systemd)))
        (remark,) = effects([("x", parse_udev_rules(rule))], NODE, names).remarks
        kinds.add(remark.kind)
        faults.add(remark.fault.kind if remark.fault else None)
    assert kinds == set(Oddity)
    assert faults == {None, *FaultKind}
