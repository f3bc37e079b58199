"""Lints of what is around a VM: near misses, and what they must not say."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from support.hosts import link
from support.rows import for_each
from support.vm_hosts import host
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Stat, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.lints.faults import DomainFaults
from vfio_doctor.lints.judge import Judged, judge
from vfio_doctor.model import Severity
from vfio_doctor.parse.xml_edit import applied

QEMU = "/etc/libvirt/qemu"
DISK = "<disk type='block'><source dev='{}'/>{}</disk>"
MOUNTS = "/dev/nvme0n1p2 / ext4 rw 0 0\n/dev/mapper/x /home xfs rw 0 0\n"

# Another VM with the same kvmfr device, and with no PCI function.
OTHER = re.sub(
    r"<hostdev .*?</hostdev>", "", EXAMPLE.replace("win11", "debian"), flags=re.DOTALL
)


def judged(
    text: str = EXAMPLE,
    files: Mapping[str, str | bytes | Missing] | None = None,
    stats: Mapping[str, Stat | Missing] | None = None,
) -> Judged:
    built = host(files=files, stats=stats)
    return judge(text.encode(), f"{QEMU}/win11.xml", Facts(built))


def ids(found: Judged) -> list[str]:
    return [fault.lint.id for fault in found.faults]


def with_device(text: str) -> str:
    return EXAMPLE.replace("<memballoon", f"{text}<memballoon")


@for_each(
    ("dev", "more", "word"),
    [
        ("/dev/nvme0n1", "", "vm-disk-mounted"),
        ("/dev/nvme0n1p2", "", "vm-disk-mounted"),
        ("/dev/disk/by-id/nvme-x", "", "vm-disk-mounted"),
        ("/dev/sdb", "", "vm-disk-swap"),
        ("/dev/sdc", "", "vm-disk-held"),
        ("/dev/nvme0n1p3", "", ""),
        ("/dev/nvme0n10", "", ""),
        ("/dev/sd", "", ""),
        ("/dev/nvme0n1", "<readonly/>", ""),
        ("/var/lib/a.img", "", ""),
    ],
)
def test_disks_of_the_host(dev: str, more: str, word: str) -> None:
    files = {
        "/proc/mounts": MOUNTS,
        "/proc/swaps": "Filename Type\n/dev/sdb1 partition\n",
        "/sys/class/block/sdc1/holders/dm-0": "",
    }
    by_id = {"/dev/disk/by-id/nvme-x": link("../../nvme0n1")}
    found = judged(with_device(DISK.format(dev, more)), files, by_id)
    said = [f.message.id for f in found.faults if f.lint.id == "vm-disk-in-use"]
    assert said == ([word] if word else [])


@for_each(
    ("started", "path", "said"),
    [
        (("win11", "debian"), "/dev/kvmfr0", True),
        (("win11", "debian"), "/dev/kvmfr1", False),
        (("win11",), "/dev/kvmfr0", False),
        ((), "/dev/kvmfr0", False),
    ],
)
def test_two_vms_on_one_device(started: tuple[str, ...], path: str, said: bool) -> None:
    other = OTHER.replace("/dev/kvmfr0", path)
    files = {f"{QEMU}/autostart/{name}.xml": "" for name in started}
    found = judged(files={f"{QEMU}/debian.xml": other, **files})
    assert ids(found) == ["vm-kvmfr-two-autostart"] * said


def test_who_starts_with_the_host_may_be_hidden() -> None:
    folder = f"{QEMU}/autostart"
    built = host(files={f"{QEMU}/debian.xml": OTHER})
    built.capture.lists[folder] = Missing(folder, Why.DENIED)
    found = judge(EXAMPLE.encode(), "win11.xml", Facts(built))
    assert [one.lint.id for one in found.untold] == ["vm-kvmfr-two-autostart"]


@for_each(
    ("started", "said"),
    [
        (("debian",), True),
        (("debian", "win11"), True),
        (("win11",), False),
        ((), False),
    ],
)
def test_another_vm_takes_the_card_at_start(
    started: tuple[str, ...], said: bool
) -> None:
    same = EXAMPLE.replace("win11", "debian").replace("/dev/kvmfr0", "/dev/kvmfr1")
    files = {f"{QEMU}/autostart/{name}.xml": "" for name in started}
    files |= {f"{QEMU}/debian.xml": same, f"{QEMU}/win11.xml": EXAMPLE}
    found = judged(files=files)
    assert ids(found) == ["vm-hostdev-taken-at-start"] * said
    both = len(started) == 2
    assert [one.severity for one in found.faults] == (
        [Severity.ERROR if both else Severity.WARNING] * said
    )


def test_whether_another_vm_takes_the_card_may_be_hidden() -> None:
    same = EXAMPLE.replace("win11", "debian").replace("/dev/kvmfr0", "/dev/kvmfr1")
    folder = f"{QEMU}/autostart"
    built = host(files={f"{QEMU}/debian.xml": same, f"{QEMU}/win11.xml": EXAMPLE})
    built.capture.lists[folder] = Missing(folder, Why.DENIED)
    found = judge(EXAMPLE.encode(), f"{QEMU}/win11.xml", Facts(built))
    assert [one.lint.id for one in found.untold] == ["vm-hostdev-taken-at-start"]


USB = (
    "<hostdev type='usb'><source{}><vendor id='0x1d6b'/>"
    "<product id='0x{:04x}'/></source></hostdev>"
)


@pytest.mark.parametrize(
    ("policy", "product", "said"),
    [
        ("", 2, False),
        ("", 3, True),
        (" startupPolicy='mandatory'", 3, True),
        (" startupPolicy='optional'", 3, False),
    ],
)
def test_usb_devices(policy: str, product: int, said: bool) -> None:
    text = with_device(USB.format(policy, product))
    found = judged(text)
    assert ids(found) == ["vm-usb-absent"] * said
    edits = [edit for fault in found.faults for edit in fault.cure]
    assert ids(judged(applied(text.encode(), edits).decode())) == []


ARGUMENT = (
    "<qemu:commandline>\n    <qemu:arg value='-object'/>\n    <qemu:arg"
    " value='input-linux,id=k,evdev=/dev/input/event3'/>\n"
)


@for_each(
    ("conf", "said"),
    [
        ('user = "root"\n', True),
        ('cgroup_device_acl = [ "/dev/null", "/dev/input/event3" ]\n', False),
        ('cgroup_controllers = [ "cpu" ]\nnamespaces = [ ]\n', False),
    ],
)
def test_input_devices(conf: str, said: bool) -> None:
    text = EXAMPLE.replace("<qemu:commandline>\n", ARGUMENT)
    found = judged(text, {"/etc/libvirt/qemu.conf": conf})
    assert ids(found) == ["vm-evdev-not-listed"] * said


@for_each(
    ("machine", "driver", "said"),
    [
        ("pc-q35-9.2", "<driver intremap='on'/>", True),
        ("pc-q35-10.0", "<driver intremap='on' aw_bits='39'/>", False),
        ("pc-q35-9.0", "<driver intremap='on'/>", False),
        ("q35", "<driver intremap='on'/>", False),
    ],
)
def test_the_width_that_a_machine_type_has_by_itself(
    machine: str, driver: str, said: bool
) -> None:
    text = with_device(f"<iommu model='intel'>{driver}</iommu>")
    found = judged(text.replace("pc-q35-9.0", machine))
    assert ids(found) == ["vm-iommu-width"] * said
    assert all(fault.severity is Severity.WARNING for fault in found.faults)


@for_each(
    ("cpus", "said"),
    [
        (("8", "9"), []),
        (("8", "10"), ["vm-threads-apart"]),
        (("8", "9-10"), []),
        (("8", ""), ["vm-no-number"]),
        (("x", "10"), ["vm-no-number"]),
    ],
)
def test_pairs_of_threads(cpus: tuple[str, str], said: list[str]) -> None:
    first, second = cpus
    text = EXAMPLE.replace("cpuset='8'", f"cpuset='{first}'")
    assert ids(judged(text.replace("cpuset='9'", f"cpuset='{second}'"))) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [("ON_SHUTDOWN=suspend\nON_SHUTDOWN='shutdown'\n", 0), ("#ON_SHUTDOWN=suspend", 0)],
)
def test_what_the_host_does_at_shutdown(text: str, said: int) -> None:
    assert len(ids(judged(files={"/etc/default/libvirt-guests": text}))) == said


@pytest.mark.parametrize("listed", [True, False])
def test_an_attachment_says_the_same_of_input_devices(listed: bool) -> None:
    path = "/dev/input/by-id/usb-Acme_Payroll-event-kbd"
    items = f'"/dev/kvm", "{path}"' if listed else '"/dev/kvm"'
    text = EXAMPLE.replace("<qemu:commandline>\n", ARGUMENT)
    files = {
        f"{QEMU}/win11.xml": text.replace("/dev/input/event3", path),
        "/etc/libvirt/qemu.conf": f"cgroup_device_acl = [ {items} ]\n",
    }
    capture = host(files=files).capture
    for each in (capture, redact(capture).capture):
        (domain,) = Facts(CapturedHost(each))[DomainFaults].domains
        said = [fault.lint.id for fault in domain.faults]
        assert said == ([] if listed else ["vm-evdev-not-listed"])
