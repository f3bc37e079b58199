"""The rule that lets the person and QEMU in: every way, every shape of file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import hosts
from support.effort import examples
from support.findings import finding
from support.kvmfr_rules import CLOSED, GOOD, NEW, D, host
from support.rows import for_each
from vfio_doctor.checks.kvmfr.node import KvmfrDeviceOwner
from vfio_doctor.facts.base import CannotFix, Facts, MissingFact, Options
from vfio_doctor.facts.kvmfr.access import KvmfrAccess
from vfio_doctor.facts.kvmfr.good_rule import GoodKvmfrRule
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.fixes.kvmfr.rule import GrantKvmfrAccess
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import (
    Change,
    DeleteFile,
    EditLine,
    Terms,
    UdevTrigger,
    WriteFile,
)
from vfio_doctor.repair.merge import FileChange, composed


def repaired(
    sick: CapturedHost, subject: str = "/dev/kvmfr0", access: str = "auto"
) -> tuple[CapturedHost, dict[str, str | None]]:
    """The host with the fix's files changed, and what they hold now."""
    facts = Facts(sick, Options(access=access))
    changes = tuple(GrantKvmfrAccess().propose(finding(subject), facts))
    assert changes[-1] == UdevTrigger("kvmfr")
    wishes: dict[str, list[FileChange]] = {}
    for change in changes[:-1]:
        if isinstance(change, Terms):
            continue
        assert isinstance(change, FileChange)
        wishes.setdefault(change.path, []).append(change)
    after: dict[str, str | None] = {}
    for path, asked in wishes.items():
        old = sick.capture.files.get(path)
        new = composed(old if isinstance(old, bytes) else None, asked)
        after[path] = None if new is None else new.decode()
    held = {path: text for path, text in after.items() if text is not None}
    gone = [path for path, text in after.items() if text is None]
    return hosts.changed(sick, files=held, absent=gone), after


def both_get_in(well: CapturedHost) -> None:
    facts = Facts(well)
    (node,) = facts[KvmfrAccess].ruled
    assert (node.human, node.qemu) == (True, True)
    assert node.looks.endswith("0660")
    ((_, effects),) = facts[KvmfrRules].devices
    assert not effects.remarks


ROOT_99 = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="kvm", MODE="0660"\n'
TABLE = [
    pytest.param({}, 252, {NEW: GOOD}, id="no rule at all"),
    pytest.param(
        {"99-kvmfr.rules": f"# mine\n{ROOT_99}# end\n"},
        252,
        {f"{D}99-kvmfr.rules": f"# mine\n{ROOT_99}# end\n".replace("root", "alice")},
        id="below 258 the user is replaced in place",
    ),
    pytest.param(
        {"99-k.rules": ROOT_99},
        258,
        {NEW: GOOD, f"{D}99-k.rules": None},
        id="from 258 on a recipe's file goes",
    ),
    pytest.param(
        {"99-k.rules": f"# mine\n{ROOT_99}"},
        258,
        {NEW: GOOD, f"{D}99-k.rules": f"# mine\n# {ROOT_99}"},
        id="from 258 on a file of one's own stays, its line a comment",
    ),
    pytest.param(
        {"70-kvmfr.rules": '# old\nSUBSYSTEM=="kvmfr", GROUP="libvirt", MODE="0660"\n'},
        258,
        {NEW: f"# old\n{GOOD}"},
        id="an own 70 rule with an unknown group",
    ),
    pytest.param(
        {"70-kvmfr.rules": "# a note\n"}, 252, {NEW: f"# a note\n{GOOD}"}, id="a note"
    ),
    pytest.param(
        {
            "99-k.rules": 'SUBSYSTEM=="kvmfr", \\\n  # who\n  OWNER="root", \\\n'
            '  GROUP="nope", MODE="0600"\n'
        },
        252,
        {
            f"{D}99-k.rules": 'SUBSYSTEM=="kvmfr", \\\n  # who\n  OWNER="alice", \\\n'
            '  GROUP="kvm", MODE="0660"\n'
        },
        id="several lines, edited inside",
    ),
    pytest.param(
        {"99-k.rules": 'SUBSYSTEM=="kvmfr", \\\n  OWNER="root", MODE="0660"\n'},
        258,
        {
            NEW: GOOD,
            f"{D}99-k.rules": '# SUBSYSTEM=="kvmfr", \\\n'
            '#   OWNER="root", MODE="0660"\n',
        },
        id="several lines, made a comment",
    ),
    pytest.param(
        {"99-k.rules": 'SUBSYSTEM=="kvmfr", OWNER="root"\n'},
        252,
        {f"{D}99-k.rules": 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="kvm"\n'},
        id="a group is added where QEMU has none",
    ),
    pytest.param(
        {"99-k.rules": GOOD}, 252, {NEW: GOOD, f"{D}99-k.rules": None}, id="too late"
    ),
    pytest.param(
        {"/usr/lib/udev/rules.d/99-k.rules": ROOT_99},
        258,
        {
            NEW: GOOD,
            f"{D}99-k.rules": "# Hides /usr/lib/udev/rules.d/99-k.rules:"
            f" {NEW} takes its place.\n",
        },
        id="a recipe of the image is hidden",
    ),
]


@for_each(("rules", "systemd", "after"), TABLE)
def test_both_get_in_and_nothing_else_moves(
    rules: dict[str, str], systemd: int, after: dict[str, str | None]
) -> None:
    well, changed = repaired(host(rules, systemd))
    assert changed == after
    both_get_in(well)


def test_a_file_that_udev_never_reads_goes_where_it_is_a_recipe() -> None:
    path = f"{D}99-kvmfr.rule"
    well, changed = repaired(host({"99-kvmfr.rule": GOOD}), path)
    assert changed == {NEW: GOOD, path: None}
    both_get_in(well)


UNTRIGGERED = [
    pytest.param(
        {"9.rules": ROOT_99.replace("root", "alice").replace('P="kvm', 'P="qemu')},
        252,
        id="owner",
    ),
    pytest.param({"70-kvmfr.rules": GOOD.replace('P="kvm', 'P="qemu')}, 257, id="tag"),
]


@pytest.mark.parametrize(("rules", "systemd"), UNTRIGGERED)
def test_right_rules_that_were_not_applied_are_applied(
    rules: dict[str, str], systemd: int
) -> None:
    well, changed = repaired(host(rules, systemd))
    assert changed == {}
    both_get_in(well)
    good = Facts(host(rules, systemd))[GoodKvmfrRule]
    assert good.untriggered == ("kvmfr0",)


def test_a_program_that_undoes_a_right_rule_is_not_run_again() -> None:
    """Only a person can take it out: what else it does is not known."""
    for program in ("/bin/chmod 0666 /dev/%k", "/bin/sh -c 'chown root /dev/kvmfr0'"):
        rule = f'{GOOD.rstrip()}, RUN+="{program}"\n'
        sick = host({"70-kvmfr.rules": rule})
        with pytest.raises(
            CannotFix, match=f"^{NEW}:1: the rule is right, but its RUN"
        ):
            repaired(sick)
        found, *_ = KvmfrDeviceOwner().judge(Facts(sick))
        assert str(found.advice).startswith("Take the RUN that changes owner")
        assert f"out of {NEW}:1: it runs" in str(found.advice)
    harmless = host({"70-kvmfr.rules": f'{GOOD.rstrip()}, RUN+="/bin/logger x"\n'})
    assert repaired(harmless)[1] == {}


def test_an_owner_beside_a_mode_for_all_is_kept_and_the_mode_is_not() -> None:
    rule = ROOT_99.replace("root", "alice").replace("0660", "0666")
    well, changed = repaired(host({"99-k.rules": rule}))
    assert changed == {f"{D}99-k.rules": rule.replace("0666", "0660")}
    both_get_in(well)


def test_a_rule_that_opens_the_node_to_all_is_not_right() -> None:
    rule = GOOD.replace("0660", "0666")
    _, changed = repaired(host({"70-kvmfr.rules": rule}))
    assert changed == {NEW: GOOD}


LEFT = [
    pytest.param({"k.rule": f"# mine\n{GOOD}"}, f"{D}k.rule", "rename it", id="stray"),
    pytest.param(
        {"99-k.rules": ROOT_99.strip() + ', SYMLINK+="x"\n'},
        f"{D}99-k.rules:1",
        "SYMLINK",
        id="does more",
    ),
    pytest.param(
        {"/usr/lib/udev/rules.d/9.rules": f'KERNEL=="x", MODE="0600"\n{ROOT_99}'},
        "/dev/kvmfr0",
        "belongs to a package",
        id="of a package",
    ),
    pytest.param(
        {
            "9.rules": 'SUBSYSTEM=="kvmfr", \\\nMODE="0600"\n'
            'KERNEL=="x", \\\nMODE="0600"\n'
        },
        "/dev/kvmfr0",
        "another rule",
        id="a line of two rules",
    ),
]


@for_each(("rules", "subject", "said"), LEFT)
def test_what_cannot_be_edited_safely_is_left_and_said(
    rules: dict[str, str], subject: str, said: str
) -> None:
    with pytest.raises(CannotFix, match=said):
        repaired(host(rules, "258.4"), subject)


@pytest.mark.parametrize(
    ("access", "systemd", "line"),
    [
        ("owner", 252, 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="kvm", MODE="0660"\n'),
        ("uaccess", 252, GOOD),
    ],
)
def test_the_way_can_be_chosen(access: str, systemd: int, line: str) -> None:
    well, changed = repaired(host({}, systemd), access=access)
    assert changed == {NEW: line}
    both_get_in(well)


def test_by_group_where_the_person_is_in_it() -> None:
    sick = host({}, groups="kvm:x:36:qemu,alice\n")
    well, changed = repaired(sick, access="group")
    assert changed == {NEW: 'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660"\n'}
    both_get_in(well)


def test_by_group_says_how_to_join_it() -> None:
    with pytest.raises(CannotFix, match="usermod -aG kvm alice"):
        repaired(host({}), access="group")


def test_by_group_says_how_to_join_one_of_the_images() -> None:
    image = host({"/usr/lib/group": "kvm:x:36:qemu\n"}, groups="")
    with pytest.raises(CannotFix, match="tee -a /etc/group`, then `sudo usermod"):
        repaired(image, access="group")


def test_by_owner_is_refused_where_systemd_drops_it() -> None:
    with pytest.raises(CannotFix, match="--access uaccess"):
        repaired(host({}, "258.4"), access="owner")


def test_by_owner_needs_the_point_release() -> None:
    with pytest.raises(CannotFix, match="cannot be told"):
        repaired(host({}, 258), access="owner")
    changed = repaired(host({}, "258.10-1.fc43"), access="owner")
    assert changed


def test_qemu_as_the_person_takes_the_group_that_is_accepted() -> None:
    conf = 'user = "alice"\ngroup = "alice"\n'
    well, changed = repaired(host({}, "258.4", qemu_conf=conf))
    assert changed == {NEW: GOOD}
    (node,) = Facts(well)[KvmfrAccess].ruled
    assert node.human


@examples(60)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_characters=":\n\r\0/"),
        min_size=1,
        max_size=12,
    )
)
def test_a_hostile_name_never_gets_into_a_rule(name: str) -> None:
    sick = host({"99-k.rules": ROOT_99}, user=name)
    plain = name.isascii() and all(c.isalnum() or c in "_.@-" for c in name)
    try:
        _, changed = repaired(sick)
    except (CannotFix, MissingFact):
        return
    text = changed[f"{D}99-k.rules"] or ""
    assert text.count('"') == ROOT_99.count('"')
    assert plain or name not in text


@for_each("name", ["1234", "007", "a" * 256])
def test_a_name_that_udev_takes_for_a_number_is_refused(name: str) -> None:
    with pytest.raises(CannotFix, match="not a name that may stand in a udev rule"):
        repaired(host({"99-k.rules": ROOT_99}, user=name))


def test_delete_names_the_file_that_takes_its_place() -> None:
    facts = Facts(host({"99-k.rules": ROOT_99}, "258.4"))
    changes = tuple(GrantKvmfrAccess().propose(finding("/dev/kvmfr0"), facts))
    gone = [change for change in changes if isinstance(change, DeleteFile)]
    assert [change.path for change in gone] == [f"{D}99-k.rules"]
    assert str(gone[0].why) == f"{NEW} takes its place"


def test_only_the_mode_is_edited_in_the_line_that_says_it() -> None:
    """The user and the group are right, and stand in another line."""
    wide = {
        "99-a.rules": 'SUBSYSTEM=="kvmfr", OWNER="alice", GROUP="kvm"\n',
        "99-b.rules": 'KERNEL=="kvmfr*", MODE="0666"\n',
    }
    edits = [c for c in proposal(Facts(host(wide))) if isinstance(c, EditLine)]
    (edit,) = edits
    assert edit.path == f"{D}99-b.rules"
    assert edit.new == 'KERNEL=="kvmfr*", MODE="0660"'


def test_a_device_without_a_rule_gets_one_and_the_other_keeps_its_own() -> None:
    first = {"99-a.rules": 'KERNEL=="kvmfr0", OWNER="alice", GROUP="kvm"\n'}
    two = hosts.changed(
        host(first, 252),
        files={"/sys/class/kvmfr/kvmfr1/dev": "242:1\n"},
        stats={"/dev/kvmfr1": CLOSED},
    )
    (edit, _) = proposal(Facts(two), "/dev/kvmfr1")
    assert isinstance(edit, EditLine)
    assert (edit.path, edit.old) == (f"{D}70-kvmfr.rules", "")


def test_the_good_line_of_two_stays() -> None:
    good = 'SUBSYSTEM=="kvmfr", GROUP="qemu", MODE="0660", TAG+="uaccess"\n'
    both = {"70-kvmfr.rules": good, "99-kvmfr.rules": ROOT_99}
    changes = proposal(Facts(host(both, 258)), f"{D}99-kvmfr.rules:1")
    assert not [c for c in changes if getattr(c, "path", "") == f"{D}70-kvmfr.rules"]


def test_a_commented_rule_of_the_system_is_hidden() -> None:
    vendors = {"/usr/lib/udev/rules.d/99-kvmfr.rules": f"# shipped\n{ROOT_99}"}
    changes = proposal(Facts(host(vendors, 258)))
    hidden = [c for c in changes if isinstance(c, WriteFile)]
    assert [c.path for c in hidden] == [f"{D}99-kvmfr.rules"]


def test_the_device_of_another_person_is_never_taken() -> None:
    lines = (
        'KERNEL=="kvmfr0", OWNER="alice", GROUP="kvm", MODE="0666"\n'
        'KERNEL=="kvmfr1", OWNER="bob", GROUP="kvm", MODE="0660"\n'
    )
    two = hosts.changed(
        host({"99-a.rules": lines}, 252),
        files={
            "/sys/class/kvmfr/kvmfr1/dev": "242:1\n",
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
            "alice:x:1000:1000::/home/alice:/bin/sh\n"
            "bob:x:1001:1001::/home/bob:/bin/sh\nqemu:x:107:107::/:/bin/false\n",
        },
    )
    edits = [c for c in proposal(Facts(two)) if isinstance(c, EditLine)]
    assert edits
    assert not any("bob" in c.old for c in edits)


def proposal(facts: Facts, subject: str = "/dev/kvmfr0") -> list[Change | Terms]:
    return list(GrantKvmfrAccess().propose(finding(subject), facts))
