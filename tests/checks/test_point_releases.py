"""Which point release of systemd it is decides about a person's device."""

from support import hosts
from support.fixture_hosts import looking_glass as lg
from support.rows import for_each
from vfio_doctor.checks.kvmfr.rule import KvmfrRuleOwner
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.reader import Caller
from vfio_doctor.model import Status


@for_each(
    ("systemd", "status", "message"),
    [
        ("258.4", Status.FAIL, "kvmfr-rule-dropped-by"),
        ("259.1-2", Status.FAIL, "kvmfr-rule-dropped-by"),
        ("258.5", Status.FAIL, "kvmfr-rule-deprecated"),
        ("258.10-1.fc43", Status.FAIL, "kvmfr-rule-deprecated"),
        ("259.2", Status.FAIL, "kvmfr-rule-deprecated"),
        ("258", Status.FAIL, "kvmfr-rule-dropped-or-deprecated"),
        ("259", Status.FAIL, "kvmfr-rule-dropped-or-deprecated"),
    ],
)
def test_point_releases_decide(systemd: str, status: Status, message: str) -> None:
    parts = lg.loaded(None)
    files = {
        **parts.files,
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/h:/bin/sh\n"
        "qemu:x:107:107::/:/bin/false\n",
        "/etc/group": "root:x:0:\nalice:x:1000:\nqemu:x:107:\nkvm:x:36:qemu\n",
        "/etc/libvirt/qemu.conf": "",
        "/etc/udev/rules.d/99-kvmfr.rules": lg.RULES_99_ALICE,
        f"/usr/lib/systemd/libsystemd-shared-{systemd}.so": "",
    }
    host = hosts.build(files, parts.stats, parts.folders, caller=Caller(1000))
    (result,) = diagnose(Facts(host), Registry((KvmfrRuleOwner,), ()))
    assert result.status is status
    said = [repr(tuple(d.finding.message)) for d in result.diagnoses]
    assert any(message in text for text in said) or not message
