"""Two devices and two people: what a repair leaves, asked of the real udev."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import hosts, udev_made
from support.udev_made import Told
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller
from vfio_doctor.repair.merge import FileChange, composed

D = "/etc/udev/rules.d"
ALICE = 'KERNEL=="kvmfr0", OWNER="alice", GROUP="kvm", MODE="0660"\n'
BOB = 'KERNEL=="kvmfr1", OWNER="bob", GROUP="kvm", MODE="0660"\n'
OF_BOTH = 'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660"\n'
# Real accounts of each Debian in their place, and the device that udev may test.
STAND_INS = {"alice": "www-data", "bob": "backup", "kvm": "disk", "qemu": "tape"}
UIDS = {"alice": 33, "bob": 34}
DISK = 6
RULES: list[dict[str, str]] = [
    {"99-kvmfr.rules": ALICE.replace("0660", "0666") + BOB},
    {"99-kvmfr.rules": ALICE.replace("alice", "root") + BOB},
    {"99-kvmfr.rules": ALICE.replace(', MODE="0660"', ', MODE="0600"') + BOB},
    {"99-kvmfr.rules": ALICE.replace('GROUP="kvm", ', "") + BOB},
    {"99-kvmfr.rules": BOB},
    {"70-kvmfr.rules": OF_BOTH, "99-kvmfr.rules": BOB},
    {"70-a.rules": ALICE.replace("alice", "root"), "80-b.rules": BOB},
    {"99-kvmfr.rules": BOB + ALICE.replace("alice", "nosuch")},
    {"60-b.rules": BOB, "99-kvmfr.rules": OF_BOTH.replace("kvm", "root", 2)},
    {"99-kvmfr.rules": f'{OF_BOTH.strip()}, TAG+="uaccess"\n{BOB}'},
    {"99-kvmfr.rules": BOB.replace("0660", "0600")},
    {"99-kvmfr.rules": f"# both\n{BOB}\n{ALICE.replace('0660', '0640')}"},
    {"70-kvmfr.rules": f'{ALICE.strip()}, SYMLINK+="lg"\n{BOB}'.replace("alice", "0")},
]


def host(rules: dict[str, str], made: tuple[Told, Told]) -> CapturedHost:
    """Two devices that stand as the real udev makes them; alice asks."""
    who = {uid: name for name, uid in UIDS.items()}
    files: dict[str, str] = {
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/h/a:/bin/sh\n"
        "bob:x:1001:1001::/h/b:/bin/sh\nqemu:x:107:107::/:/bin/false\n",
        "/etc/group": "root:x:0:\nalice:x:1000:\nbob:x:1001:\nqemu:x:107:\n"
        "kvm:x:36:qemu\n",
        "/etc/libvirt/qemu.conf": 'user = "qemu"\n',
        "/etc/modprobe.d/kvmfr.conf": "options kvmfr static_size_mb=64,64\n",
        "/proc/modules": "kvmfr 1 0 - Live 0\n",
        "/usr/lib/systemd/libsystemd-shared-252.so": "",
        "/usr/lib/udev/rules.d/73-seat-late.rules": 'TAG=="uaccess", RUN+="x"\n',
        "/run/systemd/seats/seat0": "ACTIVE_UID=1000\n",
    }
    stats = {}
    for number, told in enumerate(made):
        files[f"/sys/class/kvmfr/kvmfr{number}/dev"] = f"242:{number}\n"
        name = who.get(told.uid, "root")
        uid = {"alice": 1000, "bob": 1001}.get(name, 0)
        group, gid = ("kvm", 36) if told.gid == DISK else ("root", 0)
        node = hosts.char_node(told.mode, name, uid, group, gid, (242, number))
        stats[f"/dev/kvmfr{number}"] = node
    paths = {f"{D}/{name}": text for name, text in rules.items()}
    return hosts.build(
        {**files, **paths}, stats=stats, folders=(D,), caller=Caller(0, 1000)
    )


def repaired(sick: CapturedHost, rules: dict[str, str]) -> dict[str, str]:
    """Return the rule files behind all repairs of access that are offered."""
    wishes: dict[str, list[FileChange]] = {}
    for checked in diagnose(Facts(sick), load(), ("kvmfr",)):
        for found in checked.diagnoses:
            fix = found.fix if found.fix and not found.fix.cannot else None
            for change in fix.changes if fix else ():
                if isinstance(change, FileChange) and change.path.startswith(D):
                    asked = wishes.setdefault(change.path, [])
                    asked += [change] * (change not in asked)
    after = {f"{D}/{name}": text for name, text in rules.items()}
    for path, asked in wishes.items():
        old = after.pop(path, None)
        new = composed(None if old is None else old.encode(), asked)
        if new is not None:
            after[path] = new.decode()
    return {path.rpartition("/")[2]: text for path, text in after.items()}


def played(rules: dict[str, str], number: int) -> str:
    """Return the rules as one file about the device that udev may test."""
    text = "".join(rules[name] for name in sorted(rules))
    text = text.replace(f"kvmfr{number}", "null").replace(f"kvmfr{1 - number}", "other")
    text = text.replace('SUBSYSTEM=="kvmfr"', 'SUBSYSTEM=="mem"')
    pattern = rf"(OWNER|GROUP)=\"({'|'.join(STAND_INS)})\""
    return re.sub(pattern, lambda m: f'{m[1]}="{STAND_INS[m[2]]}"', text)


def asked(rules: list[dict[str, str]], where: Path) -> list[tuple[Told, Told]]:
    """Return what the real udev makes of both devices, for each set of rules."""
    where.mkdir()
    texts = {
        2 * at + number: played(each, number)
        for at, each in enumerate(rules)
        for number in (0, 1)
    }
    told = udev_made.tell(texts, where)
    return [(told[2 * at], told[2 * at + 1]) for at in range(len(rules))]


def test_of_two_other_people_neither_loses_a_device() -> None:
    rules = {"99-kvmfr.rules": ALICE.replace("alice", "carol") + BOB}
    made = Told(UIDS["bob"], DISK, 0o660, frozenset(), frozenset(), "")
    two = host(rules, (made._replace(uid=0), made))
    passwd = two.capture.files["/etc/passwd"]
    assert isinstance(passwd, bytes)
    carol = passwd.decode() + "carol:x:1002:1002::/h/c:/bin/sh\n"
    sick = hosts.changed(two, files={"/etc/passwd": carol})
    found = diagnose(Facts(sick), load(), ("kvmfr-rule-owner",))[0].diagnoses
    assert found
    for each in found:
        assert each.fix is not None
        assert each.fix.cannot is not None
        assert each.fix.cannot.id == "kvmfr-rule-several-owners"
        assert each.finding.advice is not None
        assert each.finding.advice.id == "kvmfr-rule-agree"


@pytest.mark.slow
@pytest.mark.needs_root
@pytest.mark.needs_tool("udevadm", "unshare")
@pytest.mark.runs("unshare", "udevadm")
def test_no_repair_gives_a_persons_device_to_another(tmp_path: Path) -> None:
    before = asked(RULES, tmp_path / "before")
    after_rules = [
        repaired(host(rules, made), rules)
        for rules, made in zip(RULES, before, strict=True)
    ]
    after = asked(after_rules, tmp_path / "after")
    for rules, left, (_, bobs), (mine, his) in zip(
        RULES, after_rules, before, after, strict=True
    ):
        said = f"{rules}\n{left}"
        assert bobs.uid == UIDS["bob"], said
        assert (his.uid, his.gid, his.mode) == (bobs.uid, bobs.gid, bobs.mode), said
        assert "uaccess" not in his.tags - bobs.tags, said
        opens = mine.uid == UIDS["alice"] or "uaccess" in mine.tags
        assert opens, said
        assert (mine.gid, mine.mode) == (DISK, 0o660), said
