"""Corrected definitions before the guest's real libvirt: defined, and started."""

from __future__ import annotations

import re

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
BALLOON, WITH_BALLOON = "<memballoon model='none'/>", "<memballoon model='virtio'/>"
HOSTDEV = re.compile(r"<hostdev.*?</hostdev>", re.DOTALL)
COMMAND = re.compile(r"<qemu:commandline>.*</qemu:commandline>", re.DOTALL)
NAME = "cured"
FAULTY, CORRECTED = "/tmp/faulty.xml", "/tmp/corrected.xml"


def fitted(text: str) -> str:
    """Return a definition for Debian 12, on a machine without KVM."""
    text = text.replace("<domain type='kvm'", "<domain type='qemu'")
    text = text.replace("<name>win11<", f"<name>{NAME}<")
    return text.replace(" limit='39'", "").replace("pc-q35-9.0", "q35")


def refused(guest: LibvirtMachine) -> str:
    """Have libvirt define every corrected example; return what it said against any."""
    made = dict(cured())
    assert len(made) >= 18
    texts = {*made.values(), *(as_it_should_be(lint) for lint in every())}
    words = []
    for number, text in enumerate(sorted(texts)):
        path = f"/tmp/corrected-{number}.xml"
        guest.put(path, fitted(text))
        words += [f"define --validate {path}", f"undefine {NAME}"]
    return guest.virsh("-q", "; ".join(words)).stderr


def faulty() -> str:
    """Return a VM with a balloon beside a passed device, which has a cure."""
    # Without kvmfr's device, which this guest's libvirt does not hand out yet.
    text = COMMAND.sub("", domain(NAME))
    return text.replace(BALLOON, f"{WITH_BALLOON}\n{PASSED}", 1)


def both(guest: LibvirtMachine) -> tuple[str, str]:
    """Have libvirt know the VM; return its definition, and what the program writes."""
    guest.define(faulty())
    done = guest.doctor("vm", "--fix", "--risky", "--yes", "-o", CORRECTED, NAME)
    assert done.status == 0, done
    text = guest.virsh("dumpxml", "--inactive", NAME).stdout
    return text, guest.get(CORRECTED).decode()


def has_balloon(guest: LibvirtMachine, text: str) -> bool:
    """Define a VM without its hostdev, start it, and look at its QEMU's devices."""
    without, count = HOSTDEV.subn("", text)
    assert count == 1
    guest.define(without)
    assert guest.refusal(NAME) == ""
    pid = guest.get(f"/run/libvirt/qemu/{NAME}.pid").decode().strip()
    words = guest.shell(f"tr '\\0' ' ' < /proc/{pid}/cmdline")
    guest.stop(NAME)
    return "virtio-balloon" in words


def topology(guest: LibvirtMachine, count: int) -> str:
    """Define a VM of some processors with a topology of two; return what is refused."""
    vcpu = f"<vcpu>{count}</vcpu>{TOPOLOGY}"
    guest.put(FAULTY, domain(NAME).replace(VCPU, vcpu, 1))
    return guest.virsh("define", FAULTY).stderr.strip()
