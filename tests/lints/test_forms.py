"""VMs that are not XML: the same lints, at the words that they are about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.rows import for_each
from support.vm_hosts import FUNCTIONS, Function, host
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.vms import Vms
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.lints import every
from vfio_doctor.lints.faults import DomainFaults
from vfio_doctor.lints.judge import Judged, judge_all
from vfio_doctor.parse.vm_form import Form, form_of

SCRIPT = """#!/bin/bash
# Looking Glass.
GPU=01:00
args=(
  -name win11,debug-threads=on -machine q35 -m 16G -smp 8
  -cpu host
  -device vfio-pci,host=$GPU.0
  -device vfio-pci,host=0000:01:00.1
)
exec qemu-system-x86_64 "${args[@]}" \\
  -device ivshmem-plain,memdev=lg \\
  -object memory-backend-file,id=lg,share=on,mem-path=/dev/kvmfr0,size=64M \\
  -drive if=pflash,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd
"""
PROXMOX = """args: -device ivshmem-plain,memdev=lg -object \
memory-backend-file,id=lg,share=on,mem-path=/dev/kvmfr0,size=64M
bios: ovmf
cores: 8
cpu: host,hidden=1
hostpci0: 0000:01:00,pcie=1,x-vga=1
machine: pc-q35-9.0
memory: 16384
name: win11
[before]
hostpci1: 0000:04:00.0
"""
QUICKEMU = """#!/usr/bin/env quickemu --vm
guest_os="windows"
disk_img="w/disk.qcow2"
ram="16G"
extra_args="-device vfio-pci,host=01:00.0 -device vfio-pci,host=01:00.1"
"""
GONE = ["vm-hostdev-missing"]
TEXTS = {
    Form.QEMU: SCRIPT,
    Form.PROXMOX: PROXMOX,
    Form.QUICKEMU: QUICKEMU,
}


def judged(text: str | bytes, built: CapturedHost | None = None) -> Judged:
    data = text.encode() if isinstance(text, str) else text
    (found,) = judge_all(data, "vm", Facts(built or host()))
    return found


def said(found: Judged) -> list[tuple[str, int, str]]:
    return [
        (f.lint.id, f.place.line, f.line[f.place.column - 1 :][: f.length])
        for f in found.faults
    ]


@for_each("form", TEXTS)
def test_nothing_is_wrong_with_it(form: Form) -> None:
    found = judged(TEXTS[form])
    assert form_of(TEXTS[form].encode()) is found.form is form
    assert (found.faults, found.untold, found.unsaid) == ((), (), ())
    assert {lint.id for lint in found.left_out} > {"vm-qemu-namespace", "vm-tablet"}
    assert all(form in lint.forms for lint in set(every()) - set(found.left_out))


# What is changed, the lint, and the words that it points at.
FAULTS: dict[Form, list[tuple[str, str, str | None, str]]] = {
    Form.QEMU: [
        ("size=64M", "size=128M", "vm-kvmfr-size", "memory-backend-file"),
        ("size=64M", "size=48M", "vm-shm-power-of-two", "memory-backend-file"),
        ("share=on,", "", "vm-shm-not-shared", "memory-backend-file"),
        ("memdev=lg", "memdev=no", "vm-shm-memdev", "ivshmem-plain"),
        ("kvmfr0", "kvmfr7", "vm-kvmfr-missing", "memory-backend-file"),
        ("GPU=01:00", "GPU=07:00", "vm-hostdev-missing", "vfio-pci,host=$GPU.0"),
        ("0:01:00.1", "0:00:01.0", "vm-hostdev-bridge", "vfio-pci,host=0000:00"),
        ("0:01:00.1", "0:04:00.0", "vm-hostdev-in-use", "vfio-pci,host=0000:04"),
        ("0:01:00.1", "0:03:00.0", "vm-hostdev-unmanaged", "vfio-pci,host=0000:03"),
        ("0:01:00.1", "0:01:00.0", "vm-hostdev-twice", "vfio-pci,host=0000:01:00.0"),
        ("-cpu host", "-cpu EPYC", "vm-cpu-mode", "EPYC"),
        ("-machine q35 ", "", "vm-chipset-i440fx", "qemu-system-x86_64"),
        ("-m 16G", "-m 31G", "vm-memory-too-large", "31G"),
        ("-smp 8", "-smp 16", "vm-too-many-cpus", "16"),
        ("$GPU.0", "$GPU.0,romfile=/a", "vm-rom-file", "vfio-pci,host=$GPU.0,rom"),
        ("OVMF_CODE", "CODE", "vm-loader-missing", "if=pflash"),
        (
            "-smp 8",
            "-smp 8 -mem-path /dev/hugepages1 -mem-path /dev/hugepages",
            None,
            "",
        ),
        ("-m 16G", "-m 20G -mem-path /dev/hugepages", "vm-huge-pages", "/dev/huge"),
        ("-cpu host", "-device virtio-balloon -cpu host", "vm-memballoon", "virtio-b"),
    ],
    Form.PROXMOX: [
        ("size=64M", "size=128M", "vm-kvmfr-size", "memory-backend-file"),
        ("memdev=lg", "memdev=no", "vm-shm-memdev", "ivshmem-plain"),
        ("0000:01:00,", "0000:07:00,", "vm-hostdev-missing", "hostpci0: 0000:07:00"),
        ("0000:01:00,", "01:00.0,", "vm-card-split", "hostpci0: 01:00.0"),
        ("cpu: host", "cpu: kvm64", "vm-cpu-mode", "cpu: kvm64"),
        ("machine: pc-q35-9.0\n", "", "vm-chipset-i440fx", "hostpci0"),
        ("memory: 16384", "memory: 31000", "vm-memory-too-large", "memory: 31000"),
        ("cores: 8", "cores: 8\nsockets: 2", "vm-too-many-cpus", "cores: 8"),
        ("memory: 16", "hugepages: 1024\nmemory: 16", "vm-huge-pages", "hugepages: 1"),
        ("memory: 16384", "hugepages: 2\nmemory: 20480", None, ""),
        ("pcie=1", "romfile=a.rom", "vm-rom-file", "hostpci0"),
        ("cpu: host", "cpu: host\nhostpci1: 04:00", "vm-hostdev-in-use", "hostpci1"),
    ],
    Form.QUICKEMU: [
        ("01:00.1", "04:00.0", "vm-hostdev-in-use", "vfio-pci,host=04:00.0"),
        ('ram="16G"', 'ram="31G"', "vm-memory-too-large", "31G"),
    ],
}
# What follows from a card that is in part the host's.
BESIDE = ("vm-card-split", "vm-hostdev-other-card", "vm-hostdev-unmanaged")
CASES: list[tuple[Form, str, str, str | None, str]]
CASES = [(form, *case) for form, cases in FAULTS.items() for case in cases]


@for_each(("form", "old", "new", "lint", "words"), CASES)
def test_one_thing_wrong_is_found_at_its_place(
    form: Form, old: str, new: str, lint: str | None, words: str
) -> None:
    assert old in TEXTS[form]
    found = said(judged(TEXTS[form].replace(old, new)))
    if lint is None:
        assert found == []
        return
    own = [one for one in found if one[0] == lint]
    assert len(own) == 1, found
    assert own[0][2].startswith(words)
    assert {one[0] for one in found} <= {lint, *BESIDE}


def test_what_only_running_it_tells_is_said() -> None:
    found = judged(SCRIPT.replace("GPU=01:00", "GPU=$1"))
    assert [(u.place.line, u.words) for u in found.unsaid] == [
        (7, "vfio-pci,host=$1.0")
    ]


def test_a_process_and_libvirts_log() -> None:
    command = (
        "/usr/bin/qemu-system-x86_64 -name guest=a -machine pc-q35-9.0 -cpu host"
        " -device {json}"
    )
    json = '{"driver":"vfio-pci","host":"0000:04:00.0","id":"hostdev0"}'
    process = "\0".join(command.format(json=json).split(" ")) + "\0"
    for text in (command.format(json=json), process):
        found = judged(text)
        assert [one[0] for one in said(found)] == [
            "vm-hostdev-in-use",
            "vm-hostdev-other-card",
            "vm-hostdev-unmanaged",
        ]
        assert found.name == "a"
        assert said(found)[0][2] == json
    start = "2026-01-01 10:00:00.000+0000: starting up libvirt version: 11.3.0\n"
    log = [f"{start}LC_ALL=C \\\n{command.format(json=one)}" for one in ("''", "''")]
    text = "\n".join([*log, f"{start}{command.format(json=repr(json))} \\\n"])
    assert [one[1] for one in said(judged(text))] == [8, 8, 8]


def test_options_that_a_script_collects() -> None:
    text = (
        "#!/bin/sh\n# größe\nOPTS=''\nOPTS=\"$OPTS -cpu host -M q35\"\n"
        'OPTS="${OPTS} -device vfio-pci,host=0000:07:00.0"\n'
        'OPTS="$OPTS -m 8192"\nqemu-system-x86_64 $OPTS\n'
    )
    assert said(judged(text)) == [
        ("vm-hostdev-missing", 5, "vfio-pci,host=0000:07:00.0")
    ]


def test_variables_of_the_firmware_may_be_made_by_the_script() -> None:
    text = f"cp a /tmp/vars.fd\n{SCRIPT.rstrip()} -drive if=pflash,file=/tmp/vars.fd"
    assert said(judged(text)) == []


def test_a_script_with_two_vms() -> None:
    text = f"{SCRIPT}\nqemu-system-x86_64 -name b -device vfio-pci,host=04:00.0\n"
    found = judge_all(text.encode(), "vms.sh", Facts(host()))
    assert [one.name for one in found] == ["win11", "b"]
    assert [bool(one.faults) for one in found] == [False, True]


@for_each(
    ("text", "reason"),
    [
        ("ls -l /\n", "vm-not-xml"),
        ("echo qemu-system-x86_64\n", "vm-no-command"),
        (b"qemu-system-x86_64 -m \xff", "xml-not-encoded"),
        (b"hostpci0: " + b"x" * (1 << 20), "xml-too-large"),
        (b"\0\1\2\3" * 99, "vm-not-xml"),
    ],
)
def test_what_is_no_vm(text: str | bytes, reason: str) -> None:
    refused = judged(text).refused
    assert refused is not None
    assert refused.message.id == reason


def proxmox_host(text: str, more: Mapping[str, str] | None = None) -> Facts:
    path = "/etc/pve/qemu-server/100.conf"
    return Facts(host(FUNCTIONS, {path: text, **(more or {})}))


def test_the_hosts_report_judges_proxmox_too() -> None:
    healthy = proxmox_host(PROXMOX)
    assert [vm.number for vm in healthy[Vms].vms] == ["100"]
    assert [one.faults for one in healthy[DomainFaults].domains] == [()]
    sick = proxmox_host(PROXMOX.replace("memdev=lg", "memdev=no"))
    (domain,) = sick[DomainFaults].domains
    assert [fault.lint.id for fault in domain.faults] == ["vm-shm-memdev"]


CARD = "card\n\tmap id=10de:2482,iommugroup=1,node={},path={}\n"
OTHERS = CARD.format("a", "0000:07:00") + "\tmap node=pve,path=0000:01:00\n"
TWO = CARD.format("pve", "0000:01:00") + "\tmap node=pve,path=0000:07:00\n"


@pytest.mark.parametrize(
    ("mapping", "node", "lints", "unsaid"),
    [
        (CARD.format("pve", "0000:01:00"), "pve", [], 0),
        (CARD.format("pve", "0000:01:00.0;0000:01:00.1"), "pve", [], 0),
        (CARD.format("pve", "0000:01:00.0"), "pve", ["vm-card-split"], 0),
        (CARD.format("pve", "0000:07:00"), "pve", ["vm-hostdev-missing"], 0),
        # What other nodes have says nothing of this one.
        (OTHERS, "pve", [], 0),
        (OTHERS, "a", ["vm-hostdev-missing"], 0),
        (OTHERS, "b", [], 1),
        # Proxmox takes the one that is free.
        (TWO, "pve", [], 1),
        (CARD.replace("card", "other").format("pve", "01:00"), "pve", GONE, 0),
        ("card\n", "pve", GONE, 0),
        (None, "pve", GONE, 0),
        (Missing("/etc/pve/mapping/pci.cfg", Why.DENIED), "pve", [], 1),
    ],
)
def test_a_mapping_of_proxmox(
    mapping: str | Missing | None, node: str, lints: list[str], unsaid: int
) -> None:
    text = PROXMOX.replace("0000:01:00,pcie=1", "mapping=card")
    files: dict[str, str | bytes | Missing] = {"/proc/sys/kernel/hostname": f"{node}\n"}
    if mapping is not None:
        files["/etc/pve/mapping/pci.cfg"] = mapping
    found = judged(text, host(files=files))
    assert [one[0] for one in said(found)] == lints
    assert len(found.unsaid) == unsaid
    words = [one[2] for one in said(found)]
    assert words == ["hostpci0: mapping=card,x-vga=1"] * len(words)


def test_the_hosts_report_looks_mappings_up() -> None:
    text = PROXMOX.replace("0000:01:00,pcie=1", "mapping=card")
    files = {
        "/etc/pve/mapping/pci.cfg": OTHERS,
        "/proc/sys/kernel/hostname": "pve\n",
    }
    (vm,) = proxmox_host(text, files)[Vms].vms
    assert [one.address for one in vm.functions] == ["0000:01:00"]


def test_a_redacted_host_says_the_same_of_a_mapping() -> None:
    text = PROXMOX.replace("0000:01:00,pcie=1", "mapping=card")
    for mapping in (OTHERS, OTHERS.replace("pve", "b"), TWO, "card\n"):
        files = {
            "/etc/pve/qemu-server/7.conf": text,
            "/etc/pve/mapping/pci.cfg": mapping,
            "/proc/sys/kernel/hostname": "pve\n",
        }
        told = []
        for capture in (host(files=files).capture, redacted(files)):
            built = CapturedHost(capture)
            data = built.read_bytes("/etc/pve/qemu-server/7.conf", 1 << 16)
            assert isinstance(data, bytes)
            found = judged(data, built)
            told.append(([f.lint.id for f in found.faults], len(found.unsaid)))
        assert told[0] == told[1]


def redacted(files: dict[str, str]) -> Capture:
    return redact(host(files=files).capture).capture


def test_without_a_host_a_mapping_is_left_open() -> None:
    text = PROXMOX.replace("0000:01:00,pcie=1", "mapping=card")
    lints = [lint for lint in every() if not lint.reads_host]
    found = judge_all(text.encode(), "vm", Facts(host()), lints)
    assert [len(one.unsaid) for one in found] == [1]


def test_a_slot_takes_in_what_shares_its_group() -> None:
    more = Function("0000:01:00.2", "C0330", "10DE:1ADA", "xhci_hcd", 1)
    found = judged(PROXMOX, host((*FUNCTIONS, more)))
    assert said(found) == []
