from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from vfio_doctor.parse.systemd_versions import Systemd
from vfio_doctor.parse.udev_effects import Device, Effects, Names, Oddity, effects
from vfio_doctor.parse.udev_rules import parse_udev_rules

VIRTUAL = "/devices/virtual/kvmfr/kvmfr0"
NODE = Device("kvmfr0", "kvmfr", "add", VIRTUAL, ("dev", "uevent"))
USERS = {"root": 0, "alice": 1000, "user": 1001, "libvirt-qemu": 150}
USERS |= {"qemu-libvirtd": 301}
GROUPS = {"root": 0, "kvm": 36, "qemu": 107, "wheel": 10, "alice": 1000}
GROUPS |= {"libvirtd": 67, "incus-admin": 900, "podman": 800}


def run(
    *texts: str, systemd: int | None = 252, device: Device = NODE, **names: str
) -> Effects:
    files = [
        (f"/etc/{n}0.rules", parse_udev_rules(text)) for n, text in enumerate(texts)
    ]
    # The first releases of 258 and 259 are those that drop a person's lines.
    version = Systemd(systemd, 1) if systemd else None
    return effects(files, device, Names(USERS, GROUPS, version))


def seen(result: Effects) -> tuple[str | None, str | None, str | None, list[str]]:
    owner, group, mode = (
        slot.value if slot else None
        for slot in (result.owner, result.group, result.mode)
    )
    return owner, group, mode, [tag.value for tag in result.tags]


@for_each(
    ("texts", "want"),
    [
        pytest.param(
            ['SUBSYSTEM=="kvmfr", MODE="0600"', 'KERNEL=="kvmfr0", MODE="0660"'],
            (None, None, "0660", []),
            id="last-wins",
        ),
        pytest.param(
            ['SUBSYSTEM=="kvmfr", MODE:="0600"', 'KERNEL=="kvmfr0", MODE="0660"'],
            (None, None, "0600", []),
            id="final-wins",
        ),
        pytest.param(
            ['SUBSYSTEM!="kvmfr", GOTO="end"\nMODE="0660"\nLABEL="end"'],
            (None, None, "0660", []),
            id="goto-not-taken",
        ),
        pytest.param(
            ['SUBSYSTEM=="kvmfr", GOTO="end"\nMODE="0660"\nLABEL="end"\nTAG+="x"'],
            (None, None, None, ["x"]),
            id="goto-taken",
        ),
        pytest.param(
            ['SUBSYSTEM=="kvmfr", GOTO="no"\nMODE="0660"'],
            (None, None, "0660", []),
            id="goto-nowhere",
        ),
        pytest.param(
            ['LABEL="up"\nSUBSYSTEM=="kvmfr", GOTO="up"\nMODE="0660"'],
            (None, None, "0660", []),
            id="goto-backwards-is-ignored",
        ),
        pytest.param(
            ['KERNEL=="vfio|kvmfr[0-9]*|x", TAG+="a"'],
            (None, None, None, ["a"]),
            id="alternatives",
        ),
        pytest.param(
            ['KERNEL=="kvmfr[^1]", TAG+="a"'], (None, None, None, ["a"]), id="caret"
        ),
        pytest.param(
            ['KERNEL=="kvmfr\\*", TAG+="a"'], (None, None, None, []), id="backslash"
        ),
        pytest.param(
            ['KERNEL==i"KVMFR0", TAG+="a"'], (None, None, None, []), id="i-needs-257"
        ),
        pytest.param(
            ['TAG+="a", TAG+="b"\nTAG-="a"\nTAG=="b", TAG+="c"\nTAG=="a", TAG+="d"'],
            (None, None, None, ["b", "c"]),
            id="tags",
        ),
        pytest.param(
            ['TAG+="a"\nTAG="b"'], (None, None, None, ["b"]), id="tag-assigned"
        ),
        pytest.param(
            ['ENV{X}="1"\nENV{X}=="1", TAG+="a"\nENV{Y}=="?*", TAG+="b"'],
            (None, None, None, ["a"]),
            id="env",
        ),
        pytest.param(
            ['ATTR{idVendor}!="1", TAG+="a"'], (None, None, None, []), id="no-attribute"
        ),
        pytest.param(
            ['ATTRS{idVendor}=="1", TAG+="a"'], (None, None, None, []), id="no-parents"
        ),
        pytest.param(
            ['SUBSYSTEMS=="kvmfr", TAG+="a"'], (None, None, None, ["a"]), id="itself"
        ),
        pytest.param(
            ['DRIVER=="", TAG+="a"'], (None, None, None, ["a"]), id="no-driver"
        ),
        pytest.param(
            ['ACTION=="change", TAG+="a"'], (None, None, None, []), id="other-action"
        ),
        pytest.param(
            ['ACTION!="remove", TAG+="a"'], (None, None, None, ["a"]), id="not-remove"
        ),
        pytest.param(['MODE="rw"'], (None, None, None, []), id="mode-no-octal"),
        pytest.param(
            ['OWNER="alice"\nOWNER="nobody-here"'], (None, None, None, []), id="unset"
        ),
        pytest.param(
            ['OWNER="1000", GROUP="36"'], ("1000", "36", None, []), id="numbers"
        ),
    ],
)
def test_effects(texts: list[str], want: tuple[Any, ...]) -> None:
    result = run(*texts)
    assert seen(result) == want
    parts = (result.owner, result.group, result.mode, *result.tags)
    assert all(part.certain for part in parts if part)


@for_each(
    "text",
    [
        'PROGRAM="/bin/x", MODE="0660"',
        'IMPORT{builtin}="path_id", MODE="0660"',
        'TEST=="/x", MODE="0660"',
        'ATTR{dev}=="1:1", MODE="0660"',
        'MODE="$env{X}"',
        'TEST=="/x", GOTO="end"\nMODE="0660"\nLABEL="end"',
        'IMPORT{db}="A"\nENV{A}=="1", MODE="0660"',
        'TEST=="/x", TAG+="a"\nTAG=="a", MODE="0660"',
    ],
)
def test_what_cannot_be_known_is_uncertain(text: str) -> None:
    result = run(text)
    assert result.mode is not None
    assert not result.mode.certain


def test_uncertain_goto_ends_at_its_label() -> None:
    result = run('TEST=="/x", GOTO="end"\nTAG+="a"\nLABEL="end"\nMODE="0660"')
    assert result.mode
    assert result.mode.certain
    assert [tag.certain for tag in result.tags] == [False]
    again = run('TEST=="/x", TAG+="a"\nTAG+="b"\nTEST=="/y", TAG-="b"')
    assert [(tag.value, tag.certain) for tag in again.tags] == [
        ("a", False),
        ("b", False),
    ]


def test_a_device_with_parents_is_not_judged_by_them() -> None:
    real = Device("kvmfr1", "kvmfr", "add", "/devices/pci0000:00/x")
    text = (
        'ATTRS{vendor}=="0x1af4", MODE="0660"\n'
        'ATTR{x}=="1", TAG+="a"\nDRIVER=="y", TAG+="b"'
    )
    result = run(text, device=real)
    assert result.mode
    assert not result.mode.certain
    assert len(result.tags) == 2


def test_symlinks() -> None:
    result = run('SYMLINK+="a b"\nSYMLINK-="a"')
    assert [link.value for link in result.symlinks] == ["b"]
    assert run('SYMLINK+="a"\nSYMLINK:="b"\nSYMLINK+="c"').symlinks[0].value == "b"


ALICE = 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="qemu", MODE="0660"'
NOBODY = ALICE.replace("alice", "nobody-here")
FOREIGN = ALICE.replace('OWNER="alice", ', "").replace("qemu", "alice")
NO_GROUP = FOREIGN.replace("alice", "no-such")


@for_each(
    ("text", "systemd", "want", "kind", "dropped"),
    [
        pytest.param(ALICE, 252, ("alice", "qemu", "0660"), "", False, id="252"),
        pytest.param(ALICE, 257, ("alice", "qemu", "0660"), "", False, id="257"),
        pytest.param(ALICE, 258, (None, None, None), "not-system", True, id="258"),
        pytest.param(ALICE, 259, (None, None, None), "not-system", True, id="259"),
        pytest.param(
            ALICE, 260, ("alice", "qemu", "0660"), "deprecated", False, id="260"
        ),
        pytest.param(
            ALICE, 262, ("alice", "qemu", "0660"), "deprecated", False, id="262"
        ),
        pytest.param(
            ALICE, None, ("alice", "qemu", "0660"), "not-system", False, id="unknown"
        ),
        pytest.param(
            NOBODY, 252, (None, "qemu", "0660"), "unknown-name", False, id="nobody-252"
        ),
        pytest.param(
            NOBODY, 258, (None, None, None), "unknown-name", True, id="nobody-258"
        ),
        pytest.param(
            NOBODY, 262, (None, None, None), "unknown-name", True, id="nobody-262"
        ),
        pytest.param(FOREIGN, 252, (None, "alice", "0660"), "", False, id="group-252"),
        pytest.param(
            FOREIGN, 259, (None, None, None), "not-system", True, id="group-259"
        ),
        pytest.param(
            FOREIGN, 260, (None, "alice", "0660"), "deprecated", False, id="group-260"
        ),
        pytest.param(
            NO_GROUP,
            257,
            (None, None, "0660"),
            "unknown-name",
            False,
            id="no-group-257",
        ),
        pytest.param(
            NO_GROUP, 260, (None, None, None), "unknown-name", True, id="no-group-260"
        ),
    ],
)
def test_names_by_systemd_version(
    text: str,
    systemd: int | None,
    want: tuple[str | None, ...],
    kind: str,
    dropped: bool,
) -> None:
    result = run(text, systemd=systemd)
    assert seen(result)[:3] == want
    assert [(r.kind.value, r.dropped) for r in result.remarks] == (
        [(kind, dropped)] if kind else []
    )
    if systemd is None:
        assert result.owner
        assert not result.owner.certain


def test_a_dropped_line_leaves_the_earlier_one() -> None:
    result = run('SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660"', ALICE, systemd=258)
    assert seen(result) == (None, "kvm", "0660", [])
    assert result.group
    assert (result.group.path, result.group.line) == ("/etc/00.rules", 1)
    assert [tag for tag in result.tags] == []


def test_ignore_case_from_257_on() -> None:
    text = 'KERNEL==i"KVMFR0", TAG+="a"'
    assert run(text, systemd=257).tag("a")
    assert run(text, systemd=256).remarks[0].kind is Oddity.PREFIX
    assert run(text).tag("b") is None


def test_every_corpus_rule() -> None:
    for record in corpus.records("udev-rules.jsonl"):
        want = record["expected"]
        rules = parse_udev_rules(record["text"])
        result = effects(
            [(record["file"] or "x.rules", rules)],
            NODE,
            Names(USERS, GROUPS, Systemd(252)),
        )
        wanted = (want["owner"], want["group"], want["mode"], want["tags"])
        assert bool(result.applied) == want["applies_to_kvmfr0"], record["id"]
        assert bool(rules.problems) == ("malformed" in want), record["id"]
        if result.applied:
            assert seen(result) == wanted, record["id"]
        else:
            assert seen(result) == (None, None, None, []), record["id"]
        _same_terms(record["id"], record["text"], wanted)
        foreign = "owner-not-system-user" in want.get("problems", ())
        names = Names(USERS, GROUPS, Systemd(258, 4))
        remarks = effects([("x.rules", rules)], NODE, names).remarks
        if result.applied:
            kinds = [r.kind.value for r in remarks if r.key == "OWNER"]
            placeholder = "placeholder-owner" in want.get("problems", ())
            assert ("not-system" in kinds) == (foreign or placeholder), record["id"]


def _same_terms(name: str, text: str, wanted: tuple[Any, ...]) -> None:
    """A line that never applies still names what the record says."""
    terms = [
        (t.key, t.value) for rule in parse_udev_rules(text).lines for t in rule.terms
    ]
    for key, value in zip(("OWNER", "GROUP", "MODE"), wanted[:3], strict=True):
        assert value is None or (key, value) in terms, name


TERMS = st.sampled_from(
    [
        *('SUBSYSTEM=="kvmfr"', 'KERNEL=="kvm*"', 'TEST=="/x"', 'ENV{A}="1"'),
        *('OWNER="alice"', 'GROUP:="kvm"', 'MODE="0660"', 'MODE="9"', 'TAG-="a"'),
        *('TAG+="a"', 'GOTO="e"', 'LABEL="e"', 'SYMLINK="a b"', 'KERNEL="x"', "\n"),
        *('OWNER="%k"', 'ATTRS{x}=="y"', 'OWNER="zz"', 'KERNEL==i"KVMFR0"', '"'),
    ]
)


@given(st.lists(TERMS, max_size=20), st.sampled_from([None, 252, 258, 262]))
def test_never_raises(terms: list[str], systemd: int | None) -> None:
    result = run(" ".join(terms), systemd=systemd)
    if result.mode and result.mode.certain:
        assert 0 <= int(result.mode.value, 8) <= 0o7777
    for slot in (result.owner, result.group):
        assert slot is None or slot.number >= 0 or not slot.certain
