"""Huge pages that a VM asks for, and those that the host has."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    Finding,
    HugePages,
    Iterator,
    Message,
    MissingFact,
    NotApplicable,
    Severity,
    Vm,
    Vms,
    WantedDevices,
    known,
    say,
)

NOBODY_ASKS = say("vfio-huge-pages-unasked", "no VM asks for huge pages")
NO_SIZE = say("vfio-huge-pages-no-size", "how large huge pages are is not known")
NO_MEMORY = say("vfio-huge-pages-no-memory", "{path} does not say how much memory")
TOO_FEW = say(
    "vfio-huge-pages-too-few",
    "{vm} asks for {wanted} MiB of huge pages, but the host has reserved {held} MiB of"
    " that size: the VM does not start.",
)
AT_LEAST = say("vfio-huge-pages-at-least", "{pages} or more")
NO_POOL = say("vfio-huge-pages-no-pool", "the kernel has no huge pages of that size")
RESERVE = say(
    "vfio-huge-pages-reserve",
    "Reserve them at boot, while memory is in one piece, with the kernel arguments"
    " `hugepagesz={size} hugepages={pages}`; or take <hugepages/> out of the VM.",
)
REBOOT = say(
    "vfio-huge-pages-reboot",
    "{source} reserves huge pages: see that it asks for {pages} of {size}, and reboot.",
)


class VfioHugePages(Check):
    """A VM asks for huge pages that the host has not reserved.

    What it does:
    Compares the memory of each VM whose definition has <hugepages/> with the huge
    pages of that size that the kernel has reserved, or may make on demand. All
    reserved pages count, free or not: another VM can be switched off. If a hook
    script of libvirt's reserves pages, nothing is said.

    Why is this bad?
    The VM does not start: "unable to map backing store for guest RAM: Cannot
    allocate memory". Every size of page has a pool of its own.

    How it is repaired:
    By hand, with kernel arguments: huge pages take memory away from the host, so how
    many is for you to say. Or leave the VM on ordinary memory.

    See it yourself:
        grep -i huge /proc/meminfo
        grep . /sys/kernel/mm/hugepages/*/nr_hugepages

    False alarms:
    A script of your own that reserves pages before the VM starts, and that is none
    of libvirt's hooks, is not seen.
    """

    id = "vfio-huge-pages"
    severity = Severity.ERROR
    title = "A VM asks for huge pages that are not reserved"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding a VM; unknown if a definition cannot be read."""
        facts[WantedDevices].demand()
        asking = [vm for vm in facts[Vms].vms if vm.page_kib is not None]
        unread = facts[Vms].unread
        if not asking and not unread:
            raise NotApplicable(NOBODY_ASKS)
        pages = facts[HugePages] if asking else None
        if pages and not pages.by_hook:
            yield from (finding for vm in asking for finding in _too_few(vm, pages))
        for missing in unread:
            known(missing)


def _too_few(vm: Vm, pages: HugePages) -> Iterator[Finding]:
    if not vm.memory_kib:
        raise MissingFact(NO_MEMORY.filled(path=vm.path))
    size = vm.page_kib or known(pages.default_kib)
    if not size:
        raise MissingFact(NO_SIZE)
    pool = pages.pool(size)
    held = pool.kib if pool else 0
    if held >= vm.memory_kib:
        return
    for unread in pages.unread:
        known(unread)
    count = -(-vm.memory_kib // size)
    message = TOO_FEW.filled(
        vm=vm.name, wanted=vm.memory_kib // 1024, held=held // 1024
    )
    path = f"/sys/kernel/mm/hugepages/hugepages-{size}kB/nr_hugepages"
    seen = str(pool.reserved) if pool else NO_POOL
    rows = (
        Evidence(vm.path, f"{vm.memory_kib} KiB"),
        Evidence(path, seen, AT_LEAST.filled(pages=count)),
    )
    yield Finding(vm.place, message, rows, None, _advice(count, size, pages))


def _advice(count: int, size: int, pages: HugePages) -> Message:
    shown = f"{size >> 20}G" if size >= 1 << 20 else f"{size >> 10}M"
    if pages.at_boot:
        source = pages.at_boot[0]
        return REBOOT.filled(source=source, pages=count, size=shown)
    return RESERVE.filled(size=shown, pages=count)
