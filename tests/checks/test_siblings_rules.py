"""Siblings of the cases: rules that undo a good one, and rules that packages bring."""

from __future__ import annotations

from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import link
from support.machines import whole
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, EditLine, Severity, WriteFile
from vfio_doctor.places import FilePlace
from vfio_doctor.repair.replaceable import why_not

REGISTRY = load()
GOOD = lg.RULES_UACCESS.format("qemu")
ROOTS = 'SUBSYSTEM=="kvmfr", OWNER="root", GROUP="root", MODE="0660"\n'
LATE, OWN = "99-late.rules", "/etc/udev/rules.d/70-kvmfr.rules"
CLOSED = lg.loaded(lg.node("root", 0, "root", 0, 0o600))
OPEN = Parts()


def found(check: str, *parts: Parts) -> tuple[Diagnosis, ...]:
    """Return what a check says of a healthy host, but; the same after redaction."""
    host = whole(*lv.MODULAR.parts, *parts)
    shared = CapturedHost(redact(host.capture).capture)
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    (again,) = diagnose(Facts(shared), REGISTRY, select=[check])
    ids = [d.finding.message.id for d in again.diagnoses]
    assert [d.finding.message.id for d in told.diagnoses] == ids
    return told.diagnoses


def written(said: Diagnosis) -> list[str]:
    """Return the files that the repair changes, each once."""
    assert said.fix
    assert said.fix.cannot is None
    files = [c for c in said.fix.changes if isinstance(c, EditLine | WriteFile)]
    return [change.path for change in files]


@for_each(
    ("node", "rule", "severity"),
    [
        (CLOSED, 'KERNEL=="kvmfr0", MODE="0600"\n', Severity.ERROR),
        (CLOSED, 'KERNEL=="kvmfr0", GROUP="root"\n', Severity.ERROR),
        (OPEN, 'KERNEL=="kvmfr0", MODE="0600"\n', Severity.WARNING),
        (OPEN, 'KERNEL=="kvmfr0", GROUP="root"\n', Severity.WARNING),
        (OPEN, 'KERNEL=="kvmfr0", GROUP="kvm"\n', Severity.INFO),
        (OPEN, 'KERNEL=="kvmfr0", MODE="0660"\n', Severity.INFO),
    ],
)
def test_a_later_rule_that_undoes_the_good_one(
    node: Parts, rule: str, severity: Severity
) -> None:
    late = file(f"/etc/udev/rules.d/{LATE}", rule)
    (said,) = found("kvmfr-rule-owner", node, late)
    told = "is left over" if severity is Severity.INFO else "is applied after that of"
    assert told in str(said.finding.message)
    assert said.severity is severity
    assert f"Take the line out of /etc/udev/rules.d/{LATE}:1" in str(
        said.finding.advice
    )
    assert set(written(said)) == {f"/etc/udev/rules.d/{LATE}"}


def test_that_of_a_package_is_taken_out_of_a_copy() -> None:
    late = file(f"/usr/lib/udev/rules.d/{LATE}", 'KERNEL=="kvmfr0", MODE="0600"\n')
    (said,) = found("kvmfr-rule-owner", CLOSED, late)
    assert said.severity is Severity.ERROR
    copied = f"`sudo cp /usr/lib/udev/rules.d/{LATE} /etc/udev/rules.d/`"
    assert copied in str(said.finding.advice)
    assert written(said) == [f"/etc/udev/rules.d/{LATE}"]


def test_that_of_a_package_which_harms_nobody_is_left() -> None:
    beside = file(f"/usr/lib/udev/rules.d/{LATE}", 'KERNEL=="kvmfr0", GROUP="kvm"\n')
    assert not found("kvmfr-rule-owner", beside)


@for_each(
    ("name", "files", "advice"),
    [
        ("70-kvmfr.rules", [OWN], "Write the line"),
        ("99-kvmfr.rules", [OWN, "/etc/udev/rules.d/99-kvmfr.rules"], "sudo cp"),
    ],
)
def test_a_file_of_the_same_name_hides_that_of_a_package(
    name: str, files: list[str], advice: str
) -> None:
    vendor = file(f"/usr/lib/udev/rules.d/{name}", ROOTS)
    (said,) = found("kvmfr-rule-owner", CLOSED, lg.no_rule(), vendor)
    assert written(said) == files
    assert advice in str(said.finding.advice)
    assert "Take the line out of /usr" not in str(said.finding.advice)


def test_a_rule_that_a_link_to_nothing_switches_off() -> None:
    vendor = file("/usr/lib/udev/rules.d/70-kvmfr.rules", GOOD)
    off = Parts(stats={OWN: link("/dev/null")})
    parts = (CLOSED, lg.no_rule(), vendor, off)
    (said,) = found("kvmfr-device-owner", *parts)
    assert str(said.finding.advice).startswith(f"Run `sudo rm {OWN}`: it is a link")
    why = why_not(whole(*lv.MODULAR.parts, *parts), OWN)
    assert why is not None
    assert why.id == "path-is-link-to-nothing"
    assert not found("kvmfr-device-owner", lg.no_rule(), vendor)


BROKEN = 'SUBSYSTEM=="kvmfr",\nOWNER="alice", GROUP="qemu", MODE="0660"\n'


@for_each(
    ("text", "line"),
    [
        (BROKEN, 2),
        (BROKEN.replace(",\n", ", \\\n"), 0),
        ('SUBSYSTEM!="kvmfr", GOTO="end"\nGROUP="qemu"\nLABEL="end"\n', 0),
        (f'{GOOD}ENV{{ID_SEAT}}="seat0"\n', 0),
    ],
    ids=["broken", "continued", "goto", "a property"],
)
def test_a_rule_without_a_condition_counts_for_every_device(
    text: str, line: int
) -> None:
    told = found("kvmfr-rule-owner", lg.no_rule(), file(OWN, text))
    said = [d for d in told if d.finding.message.id == "kvmfr-rule-no-condition"]
    assert [d.finding.place for d in said] == [FilePlace(OWN, line)] * bool(line)
    for one in said:
        assert one.severity is not Severity.INFO
        assert one.fix
        assert one.fix.cannot
        assert "`SUBSYSTEM==" in str(one.finding.advice)


TAGGED = 'SUBSYSTEM=="kvmfr", OWNER="{}", GROUP="{}", MODE="{}", TAG+="uaccess"\n'


@for_each(
    ("rule", "message", "severity"),
    [
        (TAGGED.format("alice", "kvm", "0660"), "kvmfr-rule-late-and-idle", "INFO"),
        (TAGGED.format("root", "libvirt", "0660"), "in-order", "WARNING"),
        (TAGGED.format("alice", "libvirt", "0660"), "in-order", "WARNING"),
        (TAGGED.format("root", "kvm", "0660"), "kvmfr-rule-late-until", "WARNING"),
    ],
    ids=["owner", "group, not QEMU's", "owner, not QEMU's", "by nothing else"],
)
def test_a_late_tag_that_nobody_needs(rule: str, message: str, severity: str) -> None:
    owned = lg.loaded(lg.node("alice", 1000, "kvm", 36))
    late = lg.rules("99-kvmfr.rules", rule)
    (said,) = found("kvmfr-rule-too-late", owned, late)
    assert said.finding.message.id.startswith(message)
    assert said.severity is Severity[severity]
    # What works without it is left alone: the owner gets in everywhere.
    assert (said.fix is None) == (severity == "INFO")
