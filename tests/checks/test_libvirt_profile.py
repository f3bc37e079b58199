"""AppArmor's profiles of VMs: what keeps all of them from being loaded."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import result, whole
from support.rows import for_each
from vfio_doctor.boot.selection import choose
from vfio_doctor.checks.libvirt.profile import LibvirtProfileRefused
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, EditLine, Status
from vfio_doctor.repair.ahead import plan_ahead

ABSTRACTION = f"{lv.APPARMOR}/abstractions/libvirt-qemu"
HOOK = f"{ABSTRACTION}.d/kvmfr"
RULE = "/dev/kvmfr0 rw,\n"
NO_FILE = Parts(gone=(lv.HOOK_FILE,), folders=(f"{lv.APPARMOR}/local/abstractions",))
ABSENT, UNFINISHED, WRONG = (
    f"libvirt-profile-{word}" for word in ("include-absent", "unfinished", "wrong")
)
REGISTRY = load()


def judged(*parts: Parts) -> CheckResult:
    """Return how the check ends, the same after redaction."""
    host = whole(*parts)
    found = result(host, LibvirtProfileRefused)
    shared = CapturedHost(redact(host.capture).capture)
    told = result(shared, LibvirtProfileRefused)
    assert (told.status, ids(told)) == (found.status, ids(found))
    return found


def ids(found: CheckResult) -> list[str]:
    return [diagnosis.finding.message.id for diagnosis in found.diagnoses]


@pytest.mark.slow
@for_each(
    ("text", "said"),
    [
        (RULE, []),
        ("# nothing\n", []),
        ("/dev/kvmfr0 rwx,\n", [WRONG]),
        ("dev/kvmfr0 rw,\n", [WRONG]),
        ("/dev/kvmfr0 rw;\n", [WRONG]),
        ("/dev/kvmfr0, rw,\n", [WRONG]),
        ("\u201c/dev/kvmfr0\u201d rw,\n", [WRONG]),
        ("/srv/alice/x mrwk,\nmount /srv/alice/x -> /y/,\n", []),
        ("/dev/kvmfr0 rw\n", [UNFINISHED]),
        ("/dev/kvmfr1 rw\n/dev/kvmfr0 rwx,\n", [UNFINISHED, WRONG]),
        ("include <local/libvirt-alice>\n", [ABSENT]),
        ("include if exists <local/libvirt-alice>\n", []),
        ('include "/srv/alice/there"\n', []),
        ('include "/srv/alice/gone"\n', [ABSENT]),
    ],
)
def test_what_a_file_of_ones_own_says(text: str, said: list[str]) -> None:
    local = Parts(folders=(f"{lv.APPARMOR}/local", "/srv/alice"))
    parts = (*lv.MONOLITHIC.parts, local, file("/srv/alice/there", RULE))
    assert ids(judged(*parts, file(HOOK, text))) == said


@for_each(
    ("parts", "status"),
    [
        ((), Status.PASS),
        ((NO_FILE,), Status.FAIL),
        ((NO_FILE, file(HOOK, RULE)), Status.FAIL),
        ((file(lv.HOOK_FILE, ""),), Status.PASS),
        ((NO_FILE, lv.conf('security_driver = "none"\n')), Status.NOT_APPLICABLE),
        ((NO_FILE, gone("/sys/module/apparmor")), Status.NOT_APPLICABLE),
        # What libvirt ships may be newer than what is known here.
        ((file(ABSTRACTION, "  /dev/kvm odd,\n"),), Status.PASS),
    ],
)
def test_the_file_that_has_to_be_there(
    parts: tuple[Parts, ...], status: Status
) -> None:
    assert judged(*lv.LOCAL.parts, *parts).status is status


def test_the_file_is_created_with_the_rule_that_waits_for_it() -> None:
    host = whole(*lv.LOCAL.parts, NO_FILE)
    facts = Facts(host)
    results = diagnose(facts, REGISTRY)
    plan = plan_ahead(host, facts, REGISTRY, results, choose(host, facts))
    assert [fix.id for fix in plan.fixes] == [
        "complete-libvirt-profile",
        "open-kvmfr-in-apparmor",
    ]
    changes = [change for fix in plan.fixes for change in fix.changes]
    assert [c.new for c in changes if isinstance(c, EditLine)] == [
        "# Rules of your own for all of libvirt's virtual machines",
        RULE.strip(),
    ]
    assert len(plan.steps) == 1
