"""Shared memory of another name is Looking Glass's if the client says so."""

from __future__ import annotations

import pytest

from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import libvirt as lv
from support.machines import result, whole
from vfio_doctor.checks.libvirt.memory import LibvirtSharedMemoryClosed
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.libvirt.shared_memory import LookingGlassMemory, tmpfiles_line
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Missing, Stat, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Status

FILE = "/dev/shm/{}"
INI = "/home/alice/.config/looking-glass/client.ini"
OTHER = file("/etc/libvirt/qemu/win10.xml", lv.SHMEM.replace("looking-glass", "gaming"))
BOTH = file(
    "/etc/libvirt/qemu/win10.xml",
    lv.SHMEM.replace(
        "    <shmem",
        "    <shmem name='gaming'><size unit='M'>64</size></shmem>\n<shmem",
    ),
)


def client(name: str) -> Parts:
    return file(INI, f"[app]\nshmFile=/dev/shm/{name}\n")


def made(name: str, mode: int) -> Parts:
    stat = Stat(Kind.FILE, mode, 107, 104, "libvirt-qemu", "kvm", size=1 << 25)
    return Parts(stats={FILE.format(name): stat})


def host(*parts: Parts) -> CapturedHost:
    return whole(*lv.OWN_MEMORY.parts, *parts)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((OTHER, client("gaming"), made("gaming", 0o600)), Status.FAIL),
        ((OTHER, client("gaming"), made("gaming", 0o666)), Status.PASS),
        ((BOTH, client("gaming"), made("gaming", 0o600)), Status.FAIL),
        ((BOTH, made("gaming", 0o600), made("looking-glass", 0o666)), Status.PASS),
        ((OTHER, client("scream"), made("gaming", 0o600)), Status.NOT_APPLICABLE),
        ((OTHER, made("gaming", 0o600)), Status.FAIL),
    ],
    ids=["closed", "open", "of two", "not named", "another's", "nobody's"],
)
def test_the_client_says_which_file_counts(
    parts: tuple[Parts, ...], status: Status
) -> None:
    built = host(*parts)
    assert result(built, LibvirtSharedMemoryClosed).status is status
    told = CapturedHost(redact(built.capture).capture)
    assert result(told, LibvirtSharedMemoryClosed).status is status


def test_the_line_and_the_finding_name_that_file() -> None:
    built = host(OTHER, client("gaming"), made("gaming", 0o600))
    facts = Facts(built)
    assert facts[LookingGlassMemory].line is None
    assert tmpfiles_line(facts) == "f /dev/shm/gaming 0660 alice kvm -"
    (found,) = result(built, LibvirtSharedMemoryClosed).diagnoses
    assert str(found.finding.place) == "/dev/shm/gaming"


def test_settings_that_may_not_be_read_may_name_it() -> None:
    built = host(OTHER, Parts({INI: Missing(INI, Why.DENIED)}))
    assert result(built, LibvirtSharedMemoryClosed).status is Status.UNKNOWN
