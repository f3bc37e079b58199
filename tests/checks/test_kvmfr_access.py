from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from support import corpus, hosts
from support.fixture_hosts import looking_glass as lg
from support.rows import for_each
from vfio_doctor.checks.kvmfr import node, rule
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller, Kind, Missing, Stat, Why
from vfio_doctor.model import CheckResult, Severity, Status

RULES = Registry(
    (
        rule.KvmfrGroupUnknown,
        rule.KvmfrRuleOwner,
        rule.KvmfrRuleTooLate,
        node.KvmfrDeviceOwner,
        node.KvmfrNodeNotADevice,
    ),
    (),
)
OWNER, LATE, GROUP = "kvmfr-rule-owner", "kvmfr-rule-too-late", "kvmfr-group-unknown"
NODE, STRAY = "kvmfr-device-owner", "kvmfr-node-not-a-device"
PASSWD = (
    "root:x:0:0::/root:/bin/sh\nqemu:x:107:107::/:/sbin/nologin\n"
    "alice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n"
)
GROUPS = "root:x:0:\nkvm:x:36:qemu\nqemu:x:107:\nalice:x:1000:\nbob:x:1001:\n"
CLOSED = lg.node("root", 0, "root", 0, 0o600)
QEMU_ONLY = lg.node("root", 0, "qemu", 107)
OPEN = lg.node("root", 0, "qemu", 107, acl=True)
UACCESS = lg.RULES_UACCESS.format("qemu")
SEAT = "/run/systemd/seats/seat0"


def host(
    systemd: int | None,
    node: Stat | None,
    rules: Mapping[str, str],
    files: Mapping[str, str | bytes | Missing] | None = None,
    caller: Caller | None = None,
) -> CapturedHost:
    parts = lg.loaded(node)
    given: dict[str, str | bytes | Missing] = {**parts.files}
    given |= {"/etc/passwd": PASSWD, "/etc/group": GROUPS}
    given["/etc/libvirt/qemu.conf"] = '#user = "qemu"\n#group = "qemu"\n'
    given |= {f"/etc/udev/rules.d/{name}": text for name, text in rules.items()}
    if systemd:
        given[f"/usr/lib/systemd/libsystemd-shared-{systemd}.1.so"] = b""
    given |= files or {}
    return hosts.build(given, parts.stats, parts.folders, caller=caller)


def judged(host: CapturedHost, user: str = "") -> dict[str, CheckResult]:
    facts = Facts(host, Options(user=user))
    return {result.id: result for result in diagnose(facts, RULES)}


def outcome(host: CapturedHost) -> dict[str, str]:
    """``rule: status`` or ``rule: severity`` of all that neither pass nor are mute."""
    found = {}
    for result in judged(host).values():
        assert result.status is not Status.ERROR, result.trace
        worst = max((d.severity for d in result.diagnoses), default=None)
        if result.status not in (Status.PASS, Status.NOT_APPLICABLE):
            found[result.id] = worst.word if worst else result.status.value
    return found


def by_name(result: CheckResult) -> list[tuple[str, str]]:
    return [(d.finding.subject, str(d.finding.message)) for d in result.diagnoses]


SICK = {OWNER: "error", NODE: "blocked"}


@for_each(
    ("systemd", "name", "rule", "node", "want"),
    [
        pytest.param(257, "99", lg.RULES_99_ROOT, QEMU_ONLY, SICK, id="bluefin-2121"),
        pytest.param(
            252,
            "99",
            lg.RULES_99_ALICE,
            lg.node("alice", 1000, "qemu", 107),
            {},
            id="252",
        ),
        pytest.param(
            257,
            "99",
            lg.RULES_99_ALICE,
            lg.node("alice", 1000, "qemu", 107),
            {},
            id="257",
        ),
        pytest.param(258, "99", lg.RULES_99_ALICE, CLOSED, SICK, id="258"),
        pytest.param(259, "99", lg.RULES_99_ALICE, CLOSED, SICK, id="259"),
        pytest.param(
            260,
            "99",
            lg.RULES_99_ALICE,
            lg.node("alice", 1000, "qemu", 107),
            {OWNER: "info"},
            id="260",
        ),
        pytest.param(
            262,
            "99",
            lg.RULES_99_ALICE.replace("alice", "bob"),
            lg.node("bob", 1001, "qemu", 107),
            SICK,
            id="262-foreign-user",
        ),
        pytest.param(258, "70", UACCESS, OPEN, {}, id="bazzite-g4"),
        pytest.param(
            262,
            "99",
            UACCESS,
            QEMU_ONLY,
            {LATE: "error", NODE: "blocked"},
            id="bazzite-g5",
        ),
        pytest.param(
            257, "99", UACCESS, OPEN, {LATE: "warning", NODE: "blocked"}, id="late-257"
        ),
        pytest.param(
            262,
            "70",
            lg.RULES_UACCESS.format("kvm"),
            lg.node("root", 0, "kvm", 36, acl=True),
            {},
            id="upstream",
        ),
        pytest.param(
            252,
            "70",
            UACCESS.replace("qemu", "nope"),
            lg.node("root", 0, "root", 0, acl=True),
            {GROUP: "error", NODE: "blocked"},
            id="group-unknown-252",
        ),
        pytest.param(
            258,
            "70",
            UACCESS.replace("qemu", "nope"),
            CLOSED,
            {GROUP: "error", NODE: "blocked"},
            id="group-unknown-258",
        ),
        pytest.param(
            259,
            "70",
            UACCESS.replace("qemu", "alice"),
            CLOSED,
            {GROUP: "error", NODE: "blocked"},
            id="group-not-system",
        ),
        pytest.param(
            258,
            "70",
            'SUBSYSTEM="kvmfr", OWNER="alice"\n',
            CLOSED,
            SICK,
            id="single-equals",
        ),
        pytest.param(
            258,
            "70",
            'SUBSYSTEM=="misc", KERNEL=="kvmfr*", GROUP="kvm"\n',
            CLOSED,
            SICK,
            id="never-matches",
        ),
        pytest.param(
            252,
            "70",
            'KERNEL=="kvmfr0", OWNER="user", GROUP="kvm"\n',
            lg.node("root", 0, "kvm", 36),
            SICK,
            id="placeholder-user",
        ),
        pytest.param(
            258,
            "70",
            'SUBSYSTEM=="kvmfr", MODE="0666"\n',
            lg.node("root", 0, "root", 0, 0o666),
            {NODE: "warning"},
            id="open-to-all",
        ),
        pytest.param(
            258,
            "60",
            'ACTION!="remove", SUBSYSTEM=="kvmfr", TAG+="uaccess"\n',
            lg.node("root", 0, "root", 0, acl=True),
            {NODE: "error"},
            id="no-group-for-qemu",
        ),
        pytest.param(
            258, "70", "# SUBSYSTEM==kvmfr\n", CLOSED, {NODE: "error"}, id="no-rule"
        ),
        pytest.param(
            258, "70", UACCESS, CLOSED, {NODE: "error"}, id="rule-not-applied-yet"
        ),
        pytest.param(
            None,
            "99",
            UACCESS,
            OPEN,
            {LATE: "warning", OWNER: "unknown", NODE: "blocked"},
            id="late-no-version",
        ),
        pytest.param(
            None,
            "70",
            lg.RULES_99_ALICE,
            lg.node("alice", 1000, "qemu", 107),
            {OWNER: "unknown"},
            id="alice-no-version",
        ),
    ],
)
def test_hosts(
    systemd: int | None, name: str, rule: str, node: Stat, want: dict[str, str]
) -> None:
    sick = host(systemd, node, {f"{name}-kvmfr.rules": rule})
    assert outcome(sick) == want


def test_the_message_says_who_is_locked_out() -> None:
    results = judged(host(257, QEMU_ONLY, {"99-kvmfr.rules": lg.RULES_99_ROOT}))
    assert by_name(results[OWNER]) == [
        (
            "/etc/udev/rules.d/99-kvmfr.rules:1",
            "The udev rule gives /dev/kvmfr0 to root; alice cannot open it.",
        )
    ]
    assert results[NODE].blocked_by == (OWNER,)
    ((_, both),) = by_name(judged(host(258, CLOSED, {}))[NODE])
    assert "alice and QEMU's account qemu cannot open it" in both


@for_each(
    ("systemd", "rule"),
    [
        pytest.param(258, lg.RULES_99_ALICE, id="dropped"),
        pytest.param(257, lg.RULES_99_ROOT, id="root"),
        pytest.param(258, 'SUBSYSTEM=="misc", KERNEL=="kvmfr*"\n', id="no-match"),
    ],
)
def test_a_faulty_rule_beside_a_node_that_is_open_now(systemd: int, rule: str) -> None:
    (found,) = judged(host(systemd, OPEN, {"70-kvmfr.rules": rule}))[OWNER].diagnoses
    assert found.severity is Severity.WARNING
    said = str(found.finding.message)
    assert "rom the next boot on" in said
    assert "alice" in said


LATER = {
    "mode": ("70-kvmfr", UACCESS.replace("0660", "0600"), "70-kvmfr"),
    "final": ("70-kvmfr", UACCESS.replace('GROUP="qemu"', 'GROUP:="root"'), "70-"),
    "tag gone": ("71-x", 'SUBSYSTEM=="kvmfr", TAG-="uaccess"\n', "71-x"),
    "no rule": ("70-kvmfr", "", "udev rules"),
}


@for_each("case", LATER)
def test_rules_that_close_the_device_at_the_next_boot(case: str) -> None:
    name, rule, source = LATER[case]
    rules = {"70-kvmfr.rules": UACCESS, f"{name}.rules": rule}
    (found,) = judged(host(258, OPEN, rules))[NODE].diagnoses
    assert found.severity is Severity.WARNING
    assert "is open now and closed from the next boot on" in str(found.finding.message)
    assert any(source in row.source for row in found.finding.evidence)


def test_a_rule_file_unread_leaves_the_next_boot_unknown() -> None:
    path = "/etc/udev/rules.d/99-x.rules"
    good = host(258, OPEN, {"70-kvmfr.rules": UACCESS}, {path: hosts.denied(path)})
    assert judged(good)[NODE].status is Status.UNKNOWN


def test_open_for_every_account_names_the_rule() -> None:
    world = {"70-kvmfr.rules": 'SUBSYSTEM=="kvmfr", MODE="0666"\n'}
    for rules, rows in ((world, 2), ({"70-kvmfr.rules": UACCESS}, 1)):
        node = lg.node("root", 0, "qemu", 107, 0o666)
        (found,) = judged(host(258, node, rules))[NODE].diagnoses
        assert "every local account can open it" in str(found.finding.message)
        assert len(found.finding.evidence) == rows


def test_a_leftover_beside_a_good_rule_is_information() -> None:
    two = {"99-kvmfr.rules": lg.RULES_99_ALICE, "70-kvmfr.rules": UACCESS}
    assert outcome(host(258, OPEN, two)) == {OWNER: "info"}


@pytest.mark.parametrize(("node", "word"), [(CLOSED, "error"), (OPEN, "info")])
def test_a_file_that_udev_never_reads(node: Stat, word: str) -> None:
    rules = {"20-kvmfr.conf": UACCESS}
    if node is OPEN:
        rules["70-kvmfr.rules"] = UACCESS
    found = judged(host(258, node, rules))[OWNER]
    assert [d.severity.word for d in found.diagnoses] == [word]
    assert "20-kvmfr.conf" in found.diagnoses[0].finding.subject


@pytest.mark.parametrize(
    ("rule", "want"),
    [
        pytest.param(lg.RULES_99_ROOT, {OWNER: "unknown", NODE: "unknown"}, id="root"),
        pytest.param(UACCESS, {NODE: "unknown"}, id="uaccess-serves-anybody"),
    ],
)
def test_nobody_known_means_unknown(rule: str, want: dict[str, str]) -> None:
    nobody = host(258, QEMU_ONLY, {"70-kvmfr.rules": rule}, caller=Caller(0))
    assert outcome(nobody) == want
    assert "--user" in str(judged(nobody)[NODE].reason)


def test_root_under_sudo_judges_for_the_person() -> None:
    rules = {"99-kvmfr.rules": lg.RULES_99_ROOT}
    assert outcome(host(257, QEMU_ONLY, rules, caller=Caller(0, 1000))) == SICK


@for_each(("uid", "how"), [("1000", "error"), ("1001", "info"), ("x", "info")])
def test_an_acl_that_waits_for_its_user(uid: str, how: str) -> None:
    """Over ssh nobody has the seat's ACL; the rule is right all the same."""
    away = host(258, QEMU_ONLY, {"70-k.rules": UACCESS}, {SEAT: f"ACTIVE_UID={uid}\n"})
    assert outcome(away) == {NODE: how}


def test_qemu_by_guess_is_a_warning() -> None:
    conf = "/etc/libvirt/qemu.conf"
    guess = host(
        258,
        lg.node("alice", 1000, "alice", 1000, 0o600),
        {},
        {conf: hosts.denied(conf)},
    )
    assert outcome(guess) == {NODE: "warning"}


def test_a_group_that_only_the_name_service_knows_is_unknown() -> None:
    far = lg.node("qemu", 107, "corp", 70000)
    assert "whether alice may open" in str(judged(host(258, far, {}))[NODE].reason)
    by_name_service = hosts.changed(
        host(258, far, {"70-kvmfr.rules": UACCESS.replace("qemu", "corp")}),
        commands={
            (argv := ("getent", "group", "corp")): hosts.ran(argv, "corp:x:700:qemu\n")
        },
    )
    assert judged(by_name_service)[GROUP].status is Status.PASS


@for_each("path", ["/etc/udev/rules.d/99-x.rules", "/etc/passwd", "/etc/group"])
def test_what_cannot_be_read_is_never_a_pass(path: str) -> None:
    good = host(258, OPEN, {"70-kvmfr.rules": UACCESS})
    shut = judged(hosts.changed(good, files={path: hosts.denied(path)}))
    assert {shut[i].status for i in (OWNER, LATE, GROUP)} == {Status.UNKNOWN}
    only = judged(host(258, None, {}, {path: hosts.denied(path)}))
    assert only[OWNER].status in (Status.UNKNOWN, Status.NOT_APPLICABLE)


@for_each("name", ["x y", "-x", "é", "", "x" * 65])
def test_odd_names_are_not_handed_to_the_name_service(name: str) -> None:
    argv = ("getent", "passwd", name)
    rule = f'SUBSYSTEM=="kvmfr", OWNER="{name}", GROUP="qemu"\n'
    odd = hosts.changed(
        host(257, QEMU_ONLY, {"70-kvmfr.rules": rule}),
        commands={argv: hosts.ran(argv, f"{name or 'x'}:x:1000:1000::/:/x\n")},
    )
    assert outcome(odd) == SICK
    assert judged(odd, name or " ")[NODE].status is not Status.ERROR


def test_a_host_without_looking_glass_is_left_alone() -> None:
    bare = hosts.build({"/etc/passwd": PASSWD, "/etc/group": GROUPS})
    assert {r.status for r in judged(bare).values()} == {Status.NOT_APPLICABLE}
    asked = Facts(bare, Options(areas=("kvmfr",)))
    results = diagnose(asked, RULES)
    assert {r.status for r in results} == {Status.NOT_APPLICABLE}


REGULAR = Stat(Kind.FILE, 0o644, 0, 0, "root", "root", size=1 << 27)


@for_each(
    ("stat", "word"),
    [
        pytest.param(REGULAR, "is a file", id="regular-file"),
        pytest.param(Stat(Kind.DIRECTORY, 0o755, 0, 0), "is a directory", id="folder"),
        pytest.param(OPEN._replace(rdev=(1, 3)), "another device", id="wrong-number"),
        pytest.param(Missing("/dev/kvmfr0", Why.ABSENT), "is missing", id="no-node"),
    ],
)
def test_not_a_device(stat: Stat | Missing, word: str) -> None:
    good = host(258, OPEN, {"70-kvmfr.rules": UACCESS})
    results = judged(hosts.changed(good, stats={"/dev/kvmfr0": stat}))
    ((subject, message),) = by_name(results[STRAY])
    assert subject == "/dev/kvmfr0"
    assert word in message
    assert results[NODE].blocked_by == (STRAY,)


def test_a_file_or_node_without_a_module() -> None:
    for stat, word in ((REGULAR, "is a file"), (OPEN, "no device that the kernel has")):
        results = judged(
            hosts.build(
                {"/etc/passwd": PASSWD, "/etc/group": GROUPS},
                {"/dev/kvmfr0": stat, "/dev/kvmfrx": stat},
            )
        )
        ((_, message),) = by_name(results[STRAY])
        assert word in message


@pytest.mark.parametrize("path", ["/dev/kvmfr0", "/sys/class/kvmfr/kvmfr0/dev"])
def test_a_node_that_cannot_be_looked_at_is_unknown(path: str) -> None:
    good = host(258, OPEN, {"70-kvmfr.rules": UACCESS})
    if path.startswith("/dev"):
        shut = hosts.changed(good, stats={path: hosts.denied(path)})
    else:
        shut = hosts.changed(good, files={path: hosts.denied(path)})
    assert judged(shut)[STRAY].status is Status.UNKNOWN
    odd = hosts.changed(good, files={"/sys/class/kvmfr/kvmfr0/dev": "none"})
    assert judged(odd)[STRAY].status is Status.UNKNOWN


def test_several_devices() -> None:
    two = host(
        258,
        OPEN,
        {"70-kvmfr.rules": 'KERNEL=="kvmfr0", GROUP="qemu", TAG+="uaccess"\n'},
        {"/sys/class/kvmfr/kvmfr1/dev": "242:1\n"},
    )
    both = hosts.changed(two, stats={"/dev/kvmfr1": CLOSED._replace(rdev=(242, 1))})
    results = judged(both)
    assert not results[OWNER].diagnoses
    ((_, message),) = by_name(results[NODE])
    assert "alice and QEMU's account qemu cannot open it" in message
    alone = judged(hosts.changed(both, absent=["/etc/udev"]))
    (first, now), (second, later) = by_name(alone[NODE])
    assert (first, second) == ("/dev/kvmfr0", "/dev/kvmfr1")
    assert "open now and closed from the next boot on" in now
    assert "cannot open it" in later


LS = re.compile(r"(.)([rwx-]{9})([+.]?) \d+ (\S+)(?: ([a-z]\S*))? (\d+), (\d+) .*")


def test_corpus_listings_of_the_node() -> None:
    """Each real ``ls -l`` line, as a node: who gets in follows mode and group."""
    seen = 0
    for record in corpus.records("device-stat.jsonl"):
        want: dict[str, Any] = record["expected"]
        line = LS.fullmatch(record["text"])
        if line is None or not want.get("group") or "kvm" not in record["text"]:
            continue
        bits = "".join("0" if char == "-" else "1" for char in line[2])
        gid = {"root": 0, "kvm": 36}[line[5]]
        uid = {"root": 0, "alice": 1000}[line[4]]
        node = lg.node(line[4], uid, line[5], gid, int(bits, 2))
        assert int(bits, 2) == int(want["mode"], 8), record["id"]
        facts = Facts(host(258, node._replace(rdev=(242, 0)), {}))
        (access,) = facts[KvmfrAccess].now
        assert access.qemu is (line[5] == "kvm"), record["id"]
        assert access.human is (line[4] == "alice"), record["id"]
        seen += 1
    assert seen >= 4


def test_corpus_bundles() -> None:
    """Whole rule files of real hosts; NixOS has qemu.conf below /var/lib."""
    late = {"bundle-003", "bundle-007"}
    for record in corpus.records("host-bundles.jsonl"):
        rules = {p: t for p, t in record["files"].items() if "/udev/" in p}
        if not rules:
            continue
        release = record["files"].get("systemd --version", "systemd 257").split()[1]
        results = judged(host(int(release), None, {}, rules))
        problems = record["expected"]["problems"]
        assert (results[LATE].status is Status.FAIL) == (record["id"] in late)
        faulty = {"udev-wrong-suffix", "owner-not-system-user"} & set(problems)
        assert bool(faulty) <= (results[OWNER].status is Status.FAIL), record["id"]
        for found in results[OWNER].diagnoses if faulty else ():
            assert found.severity is Severity.ERROR, record["id"]
