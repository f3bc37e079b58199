"""The lints of VM definitions, as one check of the host."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    DomainFaults,
    Evidence,
    Facts,
    FaultyDomain,
    FilePlace,
    Finding,
    Iterator,
    Severity,
    known,
    say,
)

SHOWN = 5
ONE = say(
    "vm-definition-one",
    "The definition of {vm} has an error: {message}",
)
SEVERAL = say(
    "vm-definition-several",
    "The definition of {vm} has {count} errors; the first: {message}",
)
BROKEN = say(
    "vm-definition-is-broken",
    "{path} is no XML that can be read: a part is missing or wrong. When libvirt"
    " starts it leaves the file out, and the VM is not in its list.",
)
WHOLE = say("vm-definition-whole", "one whole definition")
CUT = say("vm-definition-cut", "no whole XML")
SEE_BROKEN = say(
    "vm-definition-see-broken",
    "`vfio-doctor vm {path}` says in which line. Put that right in a copy, and give it"
    " to libvirt: `virsh define FILE`.",
)
SEE = say(
    "vm-definition-see",
    "{advice} See `vfio-doctor vm {vm}` for each line, and change it with `virsh edit"
    " {vm}`.",
)
SEE_PROXMOX = say(
    "vm-definition-see-proxmox",
    "{advice} See `vfio-doctor vm {vm}` for each line, and change it in {path}.",
)


class VmDefinitionFaulty(Check):
    """A VM's definition asks for what this host cannot give, or contradicts itself.

    What it does:
    Judges each definition of libvirt's and Proxmox VE's that can be read with the lints
    of `vfio-doctor vm`, and tells of errors: things that keep the VM from starting, or
    Looking Glass from working. Warnings, and what another check says of the host, are
    left out. A definition that is no whole XML is an error, too.

    Why is this bad?
    libvirt looks at the schema of a definition, and QEMU's own words for the rest are
    hard to read: "Invalid argument", "DMA mapping failed".

    How it is repaired:
    By hand: `virsh edit`, or the file of Proxmox VE's. For many faults of libvirt's
    `vfio-doctor vm --fix --dry-run NAME` prints the change as a diff.

    See it yourself:
        vfio-doctor vm
        vfio-doctor vm --explain vm-guest-address-twice

    False alarms:
    Those of each lint stand on its page. A definition that is kept, and never started,
    is judged like any other.
    """

    id = "vm-definition-faulty"
    severity = Severity.ERROR
    title = "A VM's definition does not fit this host"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM; unknown if a definition, or a fact, was denied."""
        found = facts[DomainFaults]
        found.demand()
        for domain in found.domains:
            if domain.faults:
                yield _finding(domain)
        for path in found.broken:
            rows = (Evidence(path, CUT, WHOLE),)
            said, advice = BROKEN.filled(path=path), SEE_BROKEN.filled(path=path)
            yield Finding(FilePlace(path), said, rows, None, advice)
        for missing in found.unread:
            known(missing)
        for domain in found.domains:
            for why in domain.denied:
                known(why)


def _finding(domain: FaultyDomain) -> Finding:
    first, name = domain.faults[0], domain.vm.name
    count = len(domain.faults)
    said = ONE.filled(vm=name, message=first.message)
    if count > 1:
        said = SEVERAL.filled(vm=name, count=count, message=first.message)
    rows = tuple(
        Evidence(str(fault.place), fault.message) for fault in domain.faults[:SHOWN]
    )
    advice = SEE.filled(advice=first.advice, vm=name)
    if domain.vm.of_proxmox:
        told = {"vm": domain.vm.number, "path": domain.vm.path}
        advice = SEE_PROXMOX.filled(advice=first.advice, **told)
    return Finding(domain.vm.place, said, rows, None, advice)
