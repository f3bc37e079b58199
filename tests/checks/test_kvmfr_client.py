"""What Looking Glass's client opens, and what the VMs share."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import result, whole
from vfio_doctor.checks.kvmfr.client import KvmfrClientElsewhere
from vfio_doctor.model import Status

SYSTEM = "/etc/looking-glass-client.ini"
OLD = "/home/alice/.looking-glass-client.ini"
SHM = "/dev/shm/looking-glass"
PLAIN = (gone(lv.VM_FILE), file("/etc/libvirt/qemu/win10.xml", lv.SHMEM))


def ini(path: str, device: str, option: str = "[app]\nshmFile") -> Parts:
    return file(path, f"; mine\n[win]\nshmFile=x\n{option} = {device}\n")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((), ""),
        ((ini(lv.CLIENT, "/dev/kvmfr0"),), ""),
        ((ini(lv.CLIENT, SHM),), "kvmfr-client-elsewhere"),
        ((ini(OLD, SHM),), "kvmfr-client-elsewhere"),
        ((ini(lv.CLIENT, SHM, "[lgmp]\nshmDevice"),), "kvmfr-client-elsewhere"),
        ((ini(lv.CLIENT, SHM, "[spice]\nshmDevice"),), ""),
        ((ini(SYSTEM, SHM), ini(lv.CLIENT, "/dev/kvmfr0")), ""),
        ((ini(OLD, "/dev/kvmfr0"), ini(lv.CLIENT, SHM)), "kvmfr-client-elsewhere"),
        ((*PLAIN,), "kvmfr-client-by-itself"),
        ((*PLAIN, ini(lv.CLIENT, SHM)), ""),
        ((file("/etc/libvirt/qemu/win10.xml", lv.SHMEM), ini(SYSTEM, SHM)), ""),
    ],
)
def test_the_client_opens_what_a_vm_shares(parts: tuple[Parts, ...], said: str) -> None:
    found = result(whole(*lv.MODULAR.parts, *parts), KvmfrClientElsewhere)
    assert [d.finding.message.id for d in found.diagnoses] == ([said] if said else [])
    assert found.status is (Status.FAIL if said else Status.PASS)


def test_without_a_vm_nothing_is_compared() -> None:
    other = lv.SHMEM.replace("looking-glass", "scream")
    for vm in ((), (file("/etc/libvirt/qemu/a.xml", other),)):
        host = whole(*lv.MODULAR.parts, gone(lv.VM_FILE), *vm)
        assert result(host, KvmfrClientElsewhere).status is Status.NOT_APPLICABLE


def test_settings_that_nobody_may_read_leave_it_open() -> None:
    closed = Parts(files={lv.CLIENT: hosts.denied(lv.CLIENT)})
    found = result(whole(*lv.MODULAR.parts, closed), KvmfrClientElsewhere)
    assert (found.status, found.needs_root) == (Status.UNKNOWN, True)
