"""What is kept by its form is kept only if all of it has the form."""

from __future__ import annotations

import re

from support.hosts import build
from support.rows import for_each
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.facts.libvirt.units import LibvirtUnits
from vfio_doctor.facts.pci.claims import Said, claims
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.redaction import accounts, formats
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.lints.example import EXAMPLE
from vfio_doctor.parse.domain import domain_of
from vfio_doctor.parse.xml_tree import QEMU, read

NOBODY = accounts.Needed(frozenset(), frozenset(), frozenset())
XML, PVE = "/etc/libvirt/qemu/a.xml", "/etc/pve/qemu-server/100.conf"
UNIT, UNRAID = "/etc/systemd/system/libvirtd.service", "/boot/config/vfio-pci.cfg"
SYSFS, TMPFILES = "/etc/sysfs.conf", "/etc/tmpfiles.d/a.conf"
SYSCTL = "/etc/sysctl.d/a.conf"
HOME = "bus/pci/devices/0000:01:00.0"
# Nobody's: what a person might have written there.
PRIVATE = re.compile(r"(?i)payroll|acme|495852|deadbeef|555.?0147")


def file(path: str, text: str) -> str:
    made = formats.file(path, text.encode(), Names(), NOBODY)
    assert made is not None
    return made.decode()


@for_each(
    ("path", "text"),
    [
        (XML, "<domain><target dev='rhel9-acme-payroll'/></domain>"),
        (XML, "<domain><type machine='rhel9-acme-payroll'/></domain>"),
        (XML, "<domain><type machine='pc-acme-rhel9.2.0'/></domain>"),
        (XML, "<domain><type>rhel9.acme</type></domain>"),
        (XML, "<domain><target dev='555-0147'/></domain>"),
        (XML, "<domain><alias name='555-0147'/></domain>"),
        (XML, "<domain><vcpu>555,0147</vcpu></domain>"),
        (XML, "<commandline><arg value='acme.payroll'/></commandline>"),
        (UNIT, "[Service]\nLimitMEMLOCK=AcmePayroll\n"),
        (UNIT, "[Service]\nProtectKernelModules=AcmePayroll\n"),
        (UNIT, "[Service]\nLimitMEMLOCK=495852X\n"),
        (UNIT, "[Payroll]\nLimitMEMLOCK=1G\n"),
        (UNIT, "[Service]\nCapabilityBoundingSet=CAP_ACME_PAYROLL CAP_KILL\n"),
        (UNIT, "[Service]\nCapabilityBoundingSet=PAYROLL\n"),
        (SYSFS, f"{HOME}/driver_override = acme-payroll\n"),
        (SYSFS, f"{HOME}/driver_override = acme_vfio_pci\n"),
        (SYSFS, "bus/pci/devices/deadbeef::::/driver_override = vfio-pci\n"),
        (PVE, "hostpci0: deadbeef\nhostpci1: 495852196,pcie=1\n"),
        (PVE, "hostpci0: 0000:01:00.0;deadbeef:495852\n"),
        (PVE, "memory: 495852196\ncpu: acme\nargs: -name payroll 495852196\n"),
        (UNRAID, "BIND=0000:01:00.0|495852196 deadbeef\n"),
        (UNRAID, "BIND=0000:01:00.0|10de:deadbeef 0000:01:00.0acme\n"),
        (TMPFILES, "f /dev/shm/looking-glass 0660 495852196 495852197 -\n"),
        (SYSCTL, "vm.nr_hugepages = 495852196\n"),
    ],
)
def test_nothing_passes_that_only_begins_like_it(path: str, text: str) -> None:
    assert PRIVATE.search(text)
    assert PRIVATE.findall(file(path, text)) == []


@for_each(
    ("path", "text"),
    [
        *(
            (XML, f"<type machine='{machine}'/>")
            for machine in (
                *("pc", "q35", "virt", "pc-q35-9.0", "pc-i440fx-8.2", "virt-9.1"),
                *("pc-q35-rhel9.2.0", "pc-i440fx-rhel7.6.0", "rhel6.6.0"),
                *("virt-rhel8.6.0", "pc-i440fx-jammy", "pc-q35-noble-hpb"),
            )
        ),
        (XML, "<emulatorpin cpuset='1,3-5,^4'/>"),
        (XML, "<page size='2048' nodeset='0-1'/>"),
        (XML, "<target dev='sda' bus='sata'/>"),
        (XML, "<arg value='-object'/>"),
        (UNIT, "[Service]\nLimitMEMLOCK=infinity\n"),
        (UNIT, "[Service]\nProtectKernelModules=yes\n"),
        (UNIT, "[Service]\nCapabilityBoundingSet=~CAP_SYS_RESOURCE CAP_KILL\n"),
        (UNIT, "[Unit]\n[Service]\nLimitMEMLOCK=65536K\n[Install]\n"),
        (SYSFS, f"{HOME}/driver_override = vfio-pci\n"),
        (SYSFS, f"{HOME}/driver_override = snd_hda_intel\n"),
        (PVE, "hostpci0: 0000:01:00\nhostpci1: 0000:02:00.1\n"),
        (PVE, "memory: 16384\nhugepages: 1024\nmachine: pc-q35-9.0\ncpu: host\n"),
        (PVE, "args: -object memory-backend-file,id=looking-glass,size=64M\n"),
        (UNRAID, "BIND=0000:01:00.0|10de:2484 0000:01:00.1\n"),
        (TMPFILES, "f /dev/shm/looking-glass 0660 1000 kvm -"),
        (SYSCTL, "vm.nr_hugepages = 8192\n"),
    ],
)
def test_what_has_the_form_stays(path: str, text: str) -> None:
    assert file(path, text) == text


def test_arguments_in_a_default_namespace_stay() -> None:
    text = re.sub(r"qemu:(?=arg|commandline)", "", EXAMPLE)
    text = text.replace("<commandline>", f"<commandline xmlns='{QEMU}'>")
    before, after = (domain_of(read(one.encode())) for one in (text, file(XML, text)))
    assert before
    assert after
    assert before.shared.mapped
    assert after.shared == before.shared


def judged(capture: Capture) -> tuple[object, ...]:
    """Return what the rules read of units, and which functions are claimed."""
    host = CapturedHost(capture)
    facts = Facts(host, Options())
    units = [(u.name, u.raises_limits, u.limit) for u in facts[LibvirtUnits].units]
    found = claims(Said(host), facts)
    return units, [(c.kind, c.source, c.address) for c in found]


ODD = {
    UNIT: (
        "[Service]\nLimitMEMLOCK=1G\nLimitMEMLOCK=payroll\n",
        "[Service]\nLimitMEMLOCK=1G:64G\n[Payroll]\nLimitMEMLOCK=1K\n",
        "[Service]\nLimitMEMLOCK=67108864\nCapabilityBoundingSet=\n",
        "[Service]\nCapabilityBoundingSet=CAP_ACME\nCapabilityBoundingSet=CAP_KILL\n",
        "[Service]\nCapabilityBoundingSet=~CAP_ACME CAP_SYS_RESOURCE\n",
        "[Service]\nCapabilityBoundingSet=cap_acme\nLimitMEMLOCK=infinity\n",
    ),
    SYSFS: (
        f"{HOME}/driver_override = acme_vfio_pci\n",
        f"/sys/{HOME}/driver_override=vfio-pci # for acme\n",
        f"{HOME}/driver_override = acme\n",
    ),
    PVE: (
        "hostpci0: host=01:00.0;02:00,pcie=1\n[snap]\nhostpci1: 03:00.0\n",
        "hostpci0: 01:00.0,romfile=acme.bin\nhostpci1: mapping=acme\n",
        "memory: 8192\nhugepages: 1024\nname: payroll\nargs: -name payroll -object"
        " 'memory-backend-file,id=acme,mem-path=/dev/kvmfr0,size=64M,share=on'\n",
        """args: -object '{"qom-type":"memory-backend-file","size":1}'\n""",
    ),
    UNRAID: ("# x\nBIND=0000:01:00.0|495852196 0000:0A:00.0\n", "BIND = 0000:01:00.0"),
}


@for_each(
    ("path", "text"), [(path, text) for path, texts in ODD.items() for text in texts]
)
def test_what_is_left_is_judged_the_same(path: str, text: str) -> None:
    capture = build({path: text, "/proc/cmdline": "quiet\n"}).capture
    made = redact(capture).capture
    assert judged(made) == judged(capture)
    assert judged(redact(made).capture) == judged(capture)
    assert PRIVATE.findall(str(made.files[path])) == []
