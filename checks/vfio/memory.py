"""Huge pages that a VM asks for, and those that the host has."""

from __future__ import annotations

from vfio_doctor.api import (
    Check,
    Evidence,
    Facts,
    Finding,
    HugePages,
    Iterator,
    LoadedModules,
    Message,
    MissingFact,
    NotApplicable,
    Pool,
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
NOT_MOUNTED = say(
    "vfio-huge-pages-not-mounted",
    "{vm} asks for huge pages of {size}, and no hugetlbfs of that size is mounted:"
    " libvirt finds nowhere to take them from, and the VM does not start.",
)
MOUNTED = say("vfio-huge-pages-mounted", "a mount with pagesize={size}")
MOUNT = say(
    "vfio-huge-pages-mount",
    "Add the line `hugetlbfs {path} hugetlbfs pagesize={size} 0 0` to /etc/fstab, run"
    " `sudo mkdir -p {path}` and `sudo mount {path}`, and restart libvirt's daemon.",
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
ENOUGH = say(
    "vfio-huge-pages-enough",
    "Kernel arguments reserve huge pages ({source}), but not enough of that size:"
    " change them to `hugepagesz={size} hugepages={pages}`, in this order, with your"
    " system's boot tool, and reboot.",
)
NO_NUMA = say(
    "vfio-huge-pages-no-numa",
    "{vm} asks for huge pages without `numa: 1`: Proxmox does not start it.",
)
SET_NUMA = say(
    "vfio-huge-pages-set-numa", "Run `qm set {number} --numa 1`, with the VM off."
)
NO_SUCH_PAGES = say(
    "vfio-huge-pages-no-such",
    "{vm} asks for huge pages of {size} MiB, which this kernel does not have: Proxmox"
    " does not start it.",
)
OTHER_SIZE = say(
    "vfio-huge-pages-other-size",
    "Run `qm set {number} --hugepages 2`, with the VM off.",
)
HARDLY = say(
    "vfio-huge-pages-hardly",
    "{vm} asks for {wanted} MiB of huge pages of 1 GiB, and {held} MiB are reserved:"
    " Proxmox reserves the rest when the VM starts, which fails once memory is in"
    " pieces.",
)
GIB = 1 << 20


NOT_FREE = say(
    "vfio-huge-pages-not-free",
    "{vm} asks for {wanted} MiB of huge pages. Of those that are reserved, {left} MiB"
    " are free, although no VM runs (nobody uses {module}): the VM does not start.",
)
FREE_THEM = say(
    "vfio-huge-pages-free-them",
    "Who has them cannot be told from here. Programs that have some are listed by `sudo"
    " grep -l huge /proc/*/numa_maps`; files keep them too: look below what `grep"
    " hugetlbfs /proc/mounts` shows. End the program, delete the files, or reserve"
    " more.",
)
# An open VM is a user of the one that fits the CPU.
KVM_MODULES = ("kvm_intel", "kvm_amd")


class VfioHugePages(Check):
    """A VM asks for huge pages that the host has not reserved.

    What it does:
    Compares the memory of each VM whose definition has <hugepages/> with the huge
    pages of that size that the kernel has reserved, or may make on demand. All
    reserved pages count, free or not: another VM can be switched off. If no VM runs,
    and too few of them are free, that is a warning. If a hook script of libvirt's
    reserves pages, nothing is said. Proxmox reserves them itself: of its VMs it is
    judged whether they have `numa: 1`, without which Proxmox refuses, and whether
    there are pages of that size; that pages of 1 GiB are not reserved is a note. If
    hugetlbfs is mounted for pages of another size only, libvirt cannot use them.

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
        proxmox = [vm for vm in facts[Vms].vms if vm.own_page_kib is not None]
        if not asking and not proxmox and not unread:
            raise NotApplicable(NOBODY_ASKS)
        for vm in proxmox:
            yield from _proxmox(vm, facts[HugePages])
        pages = facts[HugePages] if asking else None
        if pages and not pages.by_hook:
            for vm in asking:
                yield from _too_few(vm, pages, facts)
        for missing in unread:
            known(missing)


def _too_few(vm: Vm, pages: HugePages, facts: Facts) -> Iterator[Finding]:
    if not vm.memory_kib:
        raise MissingFact(NO_MEMORY.filled(path=vm.path))
    size = vm.page_kib or known(pages.default_kib)
    if not size:
        raise MissingFact(NO_SIZE)
    pool = pages.pool(size)
    held = pool.kib if pool else 0
    if held >= vm.memory_kib:
        yield from _not_mounted(vm, size, pages)
        yield from _not_free(vm, pool, facts) if pool else ()
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


def _not_mounted(vm: Vm, size: int, pages: HugePages) -> Iterator[Finding]:
    """Yield that only pages of another size can be had through a mount."""
    if not pages.mounted or size in pages.mounted or vm.shared.memfd:
        return
    shown = _shown(size)
    message = NOT_MOUNTED.filled(vm=vm.name, size=shown)
    seen = tuple(_shown(one) for one in pages.mounted)
    rows = (Evidence("/proc/mounts", ", ".join(seen), MOUNTED.filled(size=shown)),)
    cure = MOUNT.filled(path=f"/dev/hugepages{shown}", size=shown)
    yield Finding(vm.place, message, rows, None, cure)


def _shown(size: int) -> str:
    return f"{size >> 20}G" if size >= GIB else f"{size >> 10}M"


def _proxmox(vm: Vm, pages: HugePages) -> Iterator[Finding]:
    """Yield what keeps Proxmox from reserving the pages of a VM that starts."""
    asked = (vm.own_page_kib or 0) // 1024
    row = Evidence(vm.path, f"hugepages: {asked or 'any'}")
    if not vm.numa:
        cure = SET_NUMA.filled(number=vm.number)
        yield Finding(vm.place, NO_NUMA.filled(vm=vm.name), (row,), None, cure)
    if not asked:
        return
    pool = pages.pool(asked * 1024)
    if pool is None and pages.pools and not pages.unread:
        message = NO_SUCH_PAGES.filled(vm=vm.name, size=asked)
        cure = OTHER_SIZE.filled(number=vm.number)
        yield Finding(vm.place, message, (row,), None, cure)
    elif pool and pool.page_kib == GIB and pool.kib < vm.memory_kib:
        message = HARDLY.filled(
            vm=vm.name, wanted=vm.memory_kib // 1024, held=pool.kib // 1024
        )
        rows = (row, Evidence(pool.path, str(pool.reserved)))
        advice = _advice(-(-vm.memory_kib // GIB), GIB, pages)
        yield Finding(vm.place, message, rows, Severity.INFO, advice)


def _not_free(vm: Vm, pool: Pool, facts: Facts) -> Iterator[Finding]:
    """Yield that somebody else has the pages; a VM that runs has them rightly."""
    left, module = pool.left_kib, _idle_kvm(facts)
    if left is None or left >= vm.memory_kib or not module:
        return
    wanted, count = vm.memory_kib // 1024, -(-vm.memory_kib // pool.page_kib)
    named = {"vm": vm.name, "module": module}
    message = NOT_FREE.filled(wanted=wanted, left=left // 1024, **named)
    path = pool.path.replace("nr_hugepages", "free_hugepages")
    enough = AT_LEAST.filled(pages=count)
    rows = (
        Evidence(vm.path, f"{vm.memory_kib} KiB"),
        Evidence(path, str(pool.free), enough),
    )
    yield Finding(vm.place, message, rows, Severity.WARNING, FREE_THEM)


def _idle_kvm(facts: Facts) -> str:
    """Return the module that no VM uses now, "" if one may run."""
    try:
        idle = facts[LoadedModules].idle
    except MissingFact:
        return ""
    return next((name for name in KVM_MODULES if name in idle), "")


def _advice(count: int, size: int, pages: HugePages) -> Message:
    shown = _shown(size)
    if pages.at_boot:
        source = pages.at_boot[0]
        if "sysctl" not in source:
            return ENOUGH.filled(source=source, pages=count, size=shown)
        return REBOOT.filled(source=source, pages=count, size=shown)
    return RESERVE.filled(size=shown, pages=count)
