"""Values of the shared memory: JSON that is none, strings, and who shows it."""

from __future__ import annotations

from support.rows import for_each
from support.vm_hosts import facts, host
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.vms import SYSTEM
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.faults import DomainFaults
from vfio_doctor.lints.judge import judge, judge_all
from vfio_doctor.lints.shared_memory import DEVICE, OBJECT


def said(text: str) -> list[str]:
    found = judge(text.encode(), "win11.xml", facts())
    return [fault.message.id for fault in found.faults]


BROKEN = ["vm-json-broken"]


@for_each(
    ("old", "new", "ids"),
    [
        ("'share':true", "'share':'on'", ["vm-share-no-boolean"]),
        ("'share':true", "'share':'off'", ["vm-share-no-boolean"]),
        ("'share':true", "'share':false", ["vm-share-private"]),
        (",'share':true", "", ["vm-share-private"]),
        ("67108864", "'64M'", ["vm-share-no-number"]),
        ("'share':true", "'share':True", BROKEN),
        ("'share':true", "'share':on", BROKEN),
        ("'share':true}", "'share':true,}", BROKEN),
        ("67108864,", "67108864", BROKEN),
        ("'size':", "'size:", BROKEN),
        ("true}", "true", ["vm-json-unclosed"]),
        (DEVICE, DEVICE.replace("':'sh", "''sh"), BROKEN),
    ],
)
def test_values_and_json(old: str, new: str, ids: list[str]) -> None:
    assert old in EXAMPLE
    assert said(EXAMPLE.replace(old, new)) == ids


def test_what_cannot_be_read_is_shown_from_there_on() -> None:
    text = EXAMPLE.replace("'share':true", "'share':True")
    (fault,) = judge(text.encode(), "win11.xml", facts()).faults
    assert dict(fault.message.params) == {"rest": "True}"}
    assert fault.line[fault.place.column - 1 :].startswith('value="{')


def test_json_in_a_script_is_judged_too() -> None:
    good = f'qemu-system-x86_64 -name a -device "{DEVICE}" -object "{OBJECT}"\n'
    for text, ids in ((good, []), (good.replace("true}", "true,}"), BROKEN)):
        (found,) = judge_all(text.encode(), "vm.sh", facts())
        assert [fault.message.id for fault in found.faults] == ids


@for_each("old", ["true}", ":'ivshmem"])
def test_the_hosts_report_says_so_before_and_after_redaction(old: str) -> None:
    text = EXAMPLE.replace(old, f",{old}")
    built = host(files={f"{SYSTEM}/win11.xml": text})
    for each in (built, CapturedHost(redact(built.capture).capture)):
        (domain,) = Facts(each)[DomainFaults].domains
        assert [fault.lint.id for fault in domain.faults] == ["vm-qemu-json"]


def test_a_device_that_cannot_be_read_may_show_the_memory() -> None:
    assert said(EXAMPLE.replace(DEVICE, DEVICE[:-1])) == ["vm-json-unclosed"]
    text = EXAMPLE.replace(DEVICE, "{'driver':'virtio-rng-pci'}")
    assert said(text) == ["vm-memdev-no-device"]


ONE_ARG = "<qemu:arg value='-object'/>\n    <qemu:arg value=\""


@for_each(
    ("old", "new", "ids"),
    [
        ("<qemu:arg value='-object'/>", "", ["vm-loose-value"]),
        ("value='-device'", "value='device'", ["vm-loose-value"] * 2),
        (ONE_ARG, '<qemu:arg value="-object ', ["vm-loose-joined"]),
        # Nobody's matter here.
        ("<qemu:arg value='-device'/>", "<qemu:arg value='A'/>\\g<0>", []),
        ("<qemu:arg value='-device'/>", "<qemu:arg value='-s'/>\n\\g<0>", []),
        ("memory-backend-file", "memory-backend-ram", ["vm-memdev-no-file"]),
        ("ivshmem-plain", "ivshmem", ["vm-memdev-old-device"]),
        ("/dev/kvmfr0", "/dev/kvfmr0", ["vm-shm-node-absent"]),
        ("/dev/kvmfr0", "/dev/shm/looking-glass", []),
        ("67108864", "64", ["vm-shm-odd-size"]),
    ],
)
def test_words_of_qemus_command_line(old: str, new: str, ids: list[str]) -> None:
    assert old in EXAMPLE
    assert said(EXAMPLE.replace(old, new.replace("\\g<0>", old))) == ids


def test_a_misspelt_device_is_in_the_hosts_report() -> None:
    text = EXAMPLE.replace("/dev/kvmfr0", "/dev/kvfmr0")
    built = host(files={f"{SYSTEM}/win11.xml": text})
    for each in (built, CapturedHost(redact(built.capture).capture)):
        (domain,) = Facts(each)[DomainFaults].domains
        assert [fault.lint.id for fault in domain.faults] == ["vm-shm-node-missing"]
        assert "/dev/kvmfr0" in str(domain.faults[0].advice)
