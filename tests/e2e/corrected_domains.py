"""Corrected definitions before the guest's real libvirt: defined, and started."""

from __future__ import annotations

import re
from typing import NamedTuple

from e2e.libvirt_guest import LibvirtMachine, domain
from support.lint_hosts import cured
from vfio_doctor.lints import every
from vfio_doctor.lints.example import as_it_should_be

# A function that no guest has: judged as passed, and left out before a start.
PASSED = """    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='0x0000' bus='0x7b' slot='0x00' function='0x0'/>
      </source>
    </hostdev>
"""
VCPU = "<vcpu>1</vcpu>"
TOPOLOGY = "<cpu><topology sockets='1' cores='2' threads='1'/></cpu>"
LIMIT = "<memtune><hard_limit unit='MiB'>900</hard_limit></memtune>"
CURRENT = "<currentMemory unit='MiB'>16</currentMemory>"
BALLOON, WITH_BALLOON = "<memballoon model='none'/>", "<memballoon model='virtio'/>"
HOSTDEV = re.compile(r"<hostdev.*?</hostdev>", re.DOTALL)
MIB = 1024
NAME = "cured"
FAULTY, CORRECTED = "/tmp/faulty.xml", "/tmp/corrected.xml"


class Shown(NamedTuple):
    """What a started VM shows: its balloon, its memory and its limit in MiB."""

    balloon: bool
    current: int
    limit: int


def fitted(text: str) -> str:
    """Return a definition for Debian 12, on a machine without KVM."""
    text = text.replace("<domain type='kvm'", "<domain type='qemu'")
    return text.replace(" limit='39'", "").replace("pc-q35-9.0", "q35")


def refused(guest: LibvirtMachine) -> str:
    """Have libvirt define every corrected example; return what it said against any."""
    right = {lint.id: as_it_should_be(lint) for lint in every()}
    texts = {*dict(cured()).values(), *right.values()}
    words = []
    for number, text in enumerate(sorted(texts)):
        path = f"/tmp/corrected-{number}.xml"
        guest.put(path, fitted(text))
        words += [f"define --validate {path}", "undefine win11"]
    assert len(texts) >= 20
    return guest.virsh("-q", "; ".join(words)).stderr


def faulty() -> str:
    """Return a VM with faults that a started one shows, and that have a cure."""
    text = domain(NAME).replace(BALLOON, f"{WITH_BALLOON}\n{PASSED}", 1)
    return text.replace(VCPU, f"{CURRENT}\n  {LIMIT}\n  {VCPU}", 1)


def both(guest: LibvirtMachine) -> tuple[str, str]:
    """Have libvirt know the VM; return its definition, and what the program writes."""
    guest.define(faulty())
    done = guest.doctor("vm", "--fix", "--risky", "--yes", "-o", CORRECTED, NAME)
    assert done.status == 0, done
    text = guest.virsh("dumpxml", "--inactive", NAME).stdout
    return text, guest.get(CORRECTED).decode()


def shown(guest: LibvirtMachine, text: str) -> Shown:
    """Define a VM without its hostdev, start it, and look at it."""
    without, count = HOSTDEV.subn("", text)
    assert count == 1
    guest.define(without)
    assert guest.refusal(NAME) == ""
    pid = guest.get(f"/run/libvirt/qemu/{NAME}.pid").decode().strip()
    words = guest.shell(f"tr '\\0' ' ' < /proc/{pid}/cmdline")
    told = guest.virsh("-q", "dominfo", NAME).stdout
    used = next(line for line in told.splitlines() if line.startswith("Used memory"))
    limit = guest.virsh("-q", "memtune", NAME).stdout.splitlines()[0]
    found = Shown(
        "virtio-balloon" in words,
        int(used.split()[2]) // MIB,
        int(limit.split()[-1]) // MIB,
    )
    guest.stop(NAME)
    return found


def topology(guest: LibvirtMachine, count: int) -> str:
    """Define a VM of some processors with a topology of two; return what is refused."""
    vcpu = f"<vcpu>{count}</vcpu>{TOPOLOGY}"
    guest.put(FAULTY, domain(NAME).replace(VCPU, vcpu, 1))
    return guest.virsh("define", FAULTY).stderr.strip()
