"""What the report of a host says of definitions: errors, once, and what it cannot."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.hosts import changed
from support.rows import for_each
from support.vm_hosts import host
from vfio_doctor.checks.vm.definition import VmDefinitionFaulty
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.model import CheckResult, Status
from vfio_doctor.places import VmPlace

PATH = "/etc/libvirt/qemu/win11.xml"


def result(sick: CapturedHost) -> CheckResult:
    facts = Facts(sick)
    registry = load(facts, (VmDefinitionFaulty.id,))
    (found,) = diagnose(facts, registry, (VmDefinitionFaulty.id,), ())
    return found


def with_vm(text: str) -> CapturedHost:
    return host(files={PATH: text})


def test_the_first_error_and_the_command_for_the_rest() -> None:
    found = result(catalogue.host("vm-device-twice"))
    (diagnosis,) = found.diagnoses
    finding = diagnosis.finding
    assert finding.place == VmPlace("win11", PATH)
    assert "0000:08:00.1 is passed already" in str(finding.message)
    assert "`vfio-doctor vm win11`" in str(finding.advice)
    assert [row.source for row in finding.evidence] == [f"{PATH}:1:419"]


def test_errors_are_counted_and_warnings_left_out() -> None:
    # The sound function becomes the first one again, on both sides.
    text = EXAMPLE.replace("function='0x1'", "function='0x0'")
    text = text.replace("model='none'", "model='virtio'")
    text = text.replace("'share':true", "'share':false")
    (diagnosis,) = result(with_vm(text)).diagnoses
    assert diagnosis.finding.message.id == "vm-definition-several"
    assert dict(diagnosis.finding.message.params)["count"] == 2


def test_what_other_checks_say_is_not_said_again() -> None:
    gone = EXAMPLE.replace("bus='0x01'", "bus='0x0b'")
    assert result(with_vm(gone)).status is Status.PASS
    assert result(with_vm(EXAMPLE)).status is Status.PASS


def test_no_vm_is_nothing_to_judge() -> None:
    assert result(host()).status is Status.NOT_APPLICABLE


def test_a_folder_that_is_closed_is_unknown() -> None:
    denied = Missing("/etc/libvirt/qemu", Why.DENIED)
    closed = changed(host(), {"/etc/libvirt/qemu/x.xml": ""})
    closed.capture.lists["/etc/libvirt/qemu"] = denied
    found = result(closed)
    assert (found.status, found.needs_root) == (Status.UNKNOWN, True)


def test_a_vm_of_proxmox_is_changed_in_its_file() -> None:
    path = "/etc/pve/qemu-server/101.conf"
    text = "name: win\nmachine: q35\ncpu: host\nhostpci0: 0000:01:00\n"
    assert result(host(files={path: text})).status is Status.PASS
    sick = result(host(files={path: f"{text}hostpci1: 0000:01:00\n"}))
    (diagnosis,) = sick.diagnoses
    finding = diagnosis.finding
    assert finding.place == VmPlace("win", path)
    assert f"`vfio-doctor vm 101` for each line, and change it in {path}" in str(
        finding.advice
    )
    assert [row.source for row in finding.evidence] == [f"{path}:5:1"]


@for_each(
    ("text", "status"),
    [
        (EXAMPLE.replace("</devices>", ""), Status.FAIL),
        (EXAMPLE[:200], Status.FAIL),
        ("", Status.FAIL),
        (f"{EXAMPLE}{EXAMPLE}", Status.FAIL),
        (EXAMPLE.replace("<name>", "<name>a & b"), Status.FAIL),
        # What is only not read here says nothing of libvirt.
        (f"<!DOCTYPE domain>{EXAMPLE}", Status.UNKNOWN),
        ("<network><name>win11</name></network>", Status.UNKNOWN),
    ],
)
def test_a_definition_that_is_no_xml(text: str, status: Status) -> None:
    sick = with_vm(text)
    found = result(sick)
    assert found.status is status
    assert [str(d.finding.place) for d in found.diagnoses] == (
        [PATH] if status is Status.FAIL else []
    )
    assert result(CapturedHost(redact(sick.capture).capture)).status is status
