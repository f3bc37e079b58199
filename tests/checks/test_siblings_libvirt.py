"""Siblings of the cases: libvirt's lists, its shared memory, its confinement."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import result, whole
from vfio_doctor.checks.kvmfr.confinement import KvmfrSelinuxLabel
from vfio_doctor.checks.libvirt.memory import LibvirtSharedMemoryClosed
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Diagnosis, EditLine, Severity, Status, WriteFile

OWN = "/etc/tmpfiles.d/10-looking-glass.conf"
LG = "/dev/shm/looking-glass"
CLOSED = Parts(
    stats={LG: Stat(Kind.FILE, 0o600, 64055, 103, "libvirt-qemu", "kvm", size=1)}
)
CLOSED_MEMORY = "libvirt-shared-memory-closed"
REGISTRY = load()


def found(host: CapturedHost, check: str) -> tuple[Diagnosis, ...]:
    """Return what a check says, which must be the same after redaction."""
    (told,) = diagnose(Facts(host), REGISTRY, select=[check])
    (shared,) = diagnose(
        Facts(CapturedHost(redact(host.capture).capture)), REGISTRY, select=[check]
    )
    severities = [d.severity for d in told.diagnoses]
    assert (told.status, severities) == (
        shared.status,
        [d.severity for d in shared.diagnoses],
    )
    return told.diagnoses


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        (
            "/usr/lib/tmpfiles.d/10-looking-glass.conf",
            f"f {LG} 0600 libvirt-qemu kvm -\n",
            f"f {LG} 0660 alice kvm -\n",
        ),
        (
            "/usr/lib/tmpfiles.d/looking-glass-client.conf",
            f"# Type Path\nd /run/lg 0755 - - -\nf {LG} 0660 root root -\n",
            f"# Type Path\nd /run/lg 0755 - - -\nf {LG} 0660 alice kvm -\n",
        ),
        (
            "/run/tmpfiles.d/looking-glass.conf",
            f"f {LG} 0660 nosuch kvm -\n",
            f"f {LG} 0660 alice kvm -\n",
        ),
    ],
    ids=["debian", "several lines", "run"],
)
def test_a_package_s_file_is_hidden_by_one_of_its_name(
    path: str, text: str, wanted: str
) -> None:
    host = whole(*lv.OWN_MEMORY.parts, gone(OWN), gone(LG), CLOSED, file(path, text))
    (said,) = found(host, "libvirt-shared-memory-closed")
    own = f"/etc/tmpfiles.d/{path.rpartition('/')[2]}"
    assert f"`sudo cp {path} {own}`" in str(said.finding.advice)
    assert said.fix
    assert said.fix.changes == (WriteFile(own, wanted),)


def test_a_line_of_one_s_own_is_edited() -> None:
    host = whole(
        *lv.OWN_MEMORY.parts, gone(LG), CLOSED, file(OWN, f"f {LG} 0600 root kvm -\n")
    )
    (said,) = found(host, "libvirt-shared-memory-closed")
    assert said.fix
    (change,) = said.fix.changes
    assert isinstance(change, EditLine)
    assert change.path == OWN


def shmem(*devices: tuple[str, str, str]) -> Parts:
    """Return a VM with memory of (name, model, size)."""
    text = "".join(
        f"<shmem name='{name}'><model type='{model}'/>{size}</shmem>"
        for name, model, size in devices
    )
    domain = f"<domain type='kvm'><name>w</name><devices>{text}</devices></domain>"
    return file("/etc/libvirt/qemu/win10.xml", domain)


PICTURE = "<size unit='M'>64</size>"


@pytest.mark.parametrize(
    ("devices", "named"),
    [
        ([("gaming", "ivshmem-plain", PICTURE)], "/dev/shm/gaming"),
        ([("lg0", "ivshmem-plain", "<size>134217728</size>")], "/dev/shm/lg0"),
        ([("scream-ivshmem", "ivshmem-plain", "<size unit='M'>2</size>")], ""),
        ([("net", "ivshmem-doorbell", PICTURE)], ""),
        ([("a", "ivshmem-plain", PICTURE), ("b", "ivshmem-plain", PICTURE)], ""),
    ],
    ids=["other name", "bytes", "sound", "doorbell", "two"],
)
def test_memory_of_another_name_that_nobody_told_the_client_of(
    devices: list[tuple[str, str, str]], named: str
) -> None:
    said = found(
        whole(*lv.OWN_MEMORY.parts, shmem(*devices)), "libvirt-shared-memory-closed"
    )
    assert [d.finding.subject for d in said] == ([named] if named else [])
    assert all(d.severity is Severity.INFO for d in said)
    assert all(f"-f {named}" in str(d.finding.advice) for d in said)


def test_memory_that_the_client_is_told_of_is_no_guess() -> None:
    ini = file(lv.CLIENT, "[app]\nshmFile=/dev/shm/other\n")
    host = whole(*lv.OWN_MEMORY.parts, shmem(("gaming", "ivshmem-plain", PICTURE)), ini)
    assert result(host, LibvirtSharedMemoryClosed).status is Status.NOT_APPLICABLE


LOOKING_GLASS_GUIDE = """\
cgroup_device_acl = [
    "/dev/null", "/dev/full", "/dev/zero", "/dev/random", "/dev/urandom",
    "/dev/ptmx", "/dev/kvm", "/dev/kqemu", "/dev/rtc", "/dev/hpet", "/dev/vfio/vfio",
    "/dev/kvmfr0"
]
"""


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ('cgroup_device_acl = [ "/dev/kvm", "/dev/kvmfr0" ]\n', "/dev/null, /dev/zero"),
        (lv.OWN_LIST.replace('"/dev/ptmx", ', ""), "/dev/ptmx"),
        (lv.OWN_LIST.replace('"/dev/random", "/dev/urandom",', ""), "/dev/urandom"),
        (lv.OWN_LIST, ""),
        (LOOKING_GLASS_GUIDE, ""),
        (lv.OWN_LIST.replace('"/dev/full", ', ""), ""),
        ("", ""),
    ],
    ids=["own only", "pty", "random", "whole", "guide", "full", "none"],
)
def test_what_a_list_of_one_s_own_has_lost(text: str, lost: str) -> None:
    said = found(whole(*lv.MODULAR.parts, lv.conf(text)), "libvirt-list-incomplete")
    assert len(said) == bool(lost)
    for one in said:
        assert lost in str(one.finding.message)
        assert one.fix
        written = one.fix.changes[0]
        assert isinstance(written, WriteFile)
        assert all(f'"{d}"' in written.text for d in ("/dev/ptmx", "/dev/kvmfr0"))


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("svirt_image_t", Status.PASS),
        ("device_t", Status.FAIL),
        ("unlabeled_t", Status.FAIL),
        ("virt_image_t", Status.UNKNOWN),
        ("usr_t", Status.UNKNOWN),
        ("kvmfr_device_t", Status.UNKNOWN),
    ],
)
def test_a_type_that_nobody_knows_is_not_called_open(
    type_: str, status: Status
) -> None:
    host = whole(*lv.MODULAR.parts, lv.selinux(type_))
    assert result(host, KvmfrSelinuxLabel).status is status


def test_a_module_of_one_s_own_vouches_for_its_type() -> None:
    store = "/var/lib/selinux/targeted/active/modules/400/kvmfr"
    host = whole(
        *lv.MODULAR.parts, lv.selinux("kvmfr_device_t"), Parts(folders=(store,))
    )
    assert result(host, KvmfrSelinuxLabel).status is Status.PASS


def test_memory_that_a_vm_maps_by_hand_counts_as_an_element_does() -> None:
    by_hand = lv.vm(64, LG).files[lv.VM_FILE]
    parts = (file("/etc/libvirt/qemu/win10.xml", str(by_hand)), gone(LG))
    assert not found(whole(*lv.OWN_MEMORY.parts, *parts), CLOSED_MEMORY)
    (said,) = found(whole(*lv.OWN_MEMORY.parts, *parts, gone(OWN)), CLOSED_MEMORY)
    assert said.finding.message.id == "libvirt-shared-memory-will-be-closed"
    rows = {str(row.source): str(row.observed) for row in said.finding.evidence}
    assert rows["/etc/libvirt/qemu/win10.xml"] == LG
