"""Checks of the IOMMU: offered by the firmware, used by the kernel."""

from __future__ import annotations

from vfio_doctor.api import (
    AcpiTables,
    Actor,
    Board,
    Check,
    Cpu,
    Evidence,
    Facts,
    Finding,
    InterruptRemapping,
    Iommu,
    Iterator,
    KernelCmdline,
    Missing,
    MissingFact,
    NotApplicable,
    Severity,
    old_finding,
    say,
    verbatim,
)

GROUPS = "/sys/kernel/iommu_groups"
UNITS = "/sys/class/iommu"
XEN = "Xen runs below this system and keeps the IOMMU for itself"
# Where the kernel has an IOMMU it was told to use, or a virtual one.
ADVICE_INTEL = (
    "Add the kernel argument intel_iommu=on with the tool of your system and restart:"
    " `rpm-ostree kargs --append-if-missing=intel_iommu=on`, or"
    " `sudo grubby --update-kernel=ALL --args=intel_iommu=on`, or"
    " GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and `sudo update-grub`."
)
ADVICE_AMD = (
    "No kernel argument turns AMD-Vi on: it is used whenever it works. Read why not:"
    " `sudo journalctl -k -b | grep -i -e AMD-Vi -e ivrs`, and look for a firmware"
    " update of the board."
)
ADVICE_GIVEN = (
    "intel_iommu=on was booted and changed nothing. Read why:"
    " `sudo journalctl -k -b | grep -i -e DMAR -e iommu`, and look for a firmware"
    " update of the board."
)
ADVICE_PRETENDED = (
    "VFIO's no-IOMMU mode is on: it makes groups without any protection, and no"
    " virtual machine can use them. Take enable_unsafe_noiommu_mode out of the"
    " options of the module vfio. "
)


class IommuFirmwareOff(Check):
    """The firmware offers no IOMMU to the kernel.

    What it does:
    Lists the firmware's ACPI tables. DMAR describes Intel VT-d, IVRS describes
    AMD-Vi. Where the kernel already uses an IOMMU, all is well without looking.

    Why is this bad?
    The IOMMU keeps a passed-through device inside its virtual machine. Without
    one, VFIO refuses every device. No kernel argument helps while the firmware
    keeps it off.

    How it is repaired:
    By you, in the firmware setup of the computer: VT-d on Intel, IOMMU on AMD
    (where Auto means off on many boards, choose Enabled).

    See it yourself:
        ls /sys/firmware/acpi/tables
        ls /sys/kernel/iommu_groups

    False alarms:
    Some processors and boards, many old laptops among them, have no IOMMU at all.
    """

    id = "iommu-firmware-off"
    severity = Severity.ERROR
    title = "The IOMMU is off in the firmware"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where no group and no table of an IOMMU exists."""
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable("the tables DMAR and IVRS exist on x86 machines only")
        if facts[Iommu].on:
            return
        tables = facts[AcpiTables]
        if tables.dmar or tables.ivrs or tables.viot:
            return
        if cpu.xen:
            raise MissingFact(XEN)
        finding = _no_table(tables, facts[Iommu])
        if cpu.hypervisor:
            yield finding._replace(
                message=say(
                    "no-iommu-in-guest",
                    "This system is itself a virtual machine, and the machine outside"
                    " gives it no virtual IOMMU.",
                ),
                advice=verbatim(_advice_guest(cpu)),
                who_acts=Actor.USER,
            )
        else:
            yield finding._replace(advice=verbatim(_advice_board(cpu, facts[Board])))


def _no_table(tables: AcpiTables, iommu: Iommu) -> Finding:
    return old_finding(
        "host",
        "The firmware offers the kernel no IOMMU.",
        (),
        (
            Evidence(
                "/sys/firmware/acpi/tables",
                f"neither DMAR nor IVRS among {len(tables.names)} tables",
                "DMAR (Intel) or IVRS (AMD)",
            ),
            _no_group(iommu),
        ),
        who_acts=Actor.FIRMWARE,
    )


def _no_group(iommu: Iommu) -> Evidence:
    seen = "no group"
    if iommu.pretended:
        seen = f"only {len(iommu.pretended)} of VFIO's no-IOMMU mode"
    return Evidence(GROUPS, seen, "at least one group")


def _advice_guest(cpu: Cpu) -> str:
    model = "amd" if cpu.amd else "intel"
    return (
        "On the machine outside, add a virtual IOMMU to this virtual machine (libvirt,"
        f" machine type q35: `<iommu model='{model}'><driver intremap='on'/></iommu>`"
        " and `<ioapic driver='qemu'/>` among the features). If you did not mean to"
        " pass devices on from inside a virtual machine, run vfio-doctor outside."
    )


def _advice_board(cpu: Cpu, board: Board) -> str:
    if "Apple" in (board.vendor or board.system_vendor):
        return (
            "This Mac shows no IOMMU to Linux, and its firmware has no menu for it:"
            " passthrough will not work on it."
        )
    return (
        "Restart into the firmware setup (`systemctl reboot --firmware-setup`) of"
        f" {board.title} and enable {board.iommu_switch(cpu.amd)}. If there is no such"
        " entry, turn CPU virtualization on first and CSM (legacy boot) off, and look"
        " for a firmware update."
    )


class IommuOff(Check):
    """The kernel does not use the IOMMU.

    What it does:
    Counts the IOMMU groups of the kernel. It judges by this effect alone, never
    by kernel arguments.

    Why is this bad?
    VFIO hands devices to a virtual machine by their group. Without groups there
    is no passthrough, and libvirt says "host doesn't support passthrough of host
    PCI devices".

    How it is repaired:
    On Intel, with the kernel argument intel_iommu=on. On AMD the kernel uses the
    IOMMU by itself; where it does not, its log says why.

    See it yourself:
        ls /sys/kernel/iommu_groups
        ls /sys/class/iommu

    False alarms:
    None are known. "IOMMU enabled" in the kernel log only repeats the argument
    and does not prove that anything is on.
    """

    id = "iommu-off"
    severity = Severity.ERROR
    title = "The kernel does not use the IOMMU"
    requires = ("iommu-firmware-off", "iommu-disabled-by-argument")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where the kernel has put no device into a group."""
        iommu = facts[Iommu]
        if iommu.on:
            return
        cpu = facts[Cpu]
        if cpu.xen:
            raise MissingFact(XEN)
        if not cpu.x86:
            raise MissingFact(
                "there is no IOMMU group, and on this architecture nothing tells"
                " whether the machine has an IOMMU (SMMU) at all"
            )
        yield _not_used(iommu, cpu, facts)


def _not_used(iommu: Iommu, cpu: Cpu, facts: Facts) -> Finding:
    amd = _is_amd_vi(cpu, facts)
    pretended = ADVICE_PRETENDED if iommu.pretended else ""
    given = not amd and _booted(facts, "intel_iommu", "on")
    advice = ADVICE_AMD if amd else ADVICE_GIVEN if given else ADVICE_INTEL
    return old_finding(
        "host",
        "The kernel has put no device into an IOMMU group.",
        (),
        (
            _no_group(iommu),
            Evidence(UNITS, ", ".join(iommu.units) or "empty", "dmar0 or ivhd0"),
        ),
        advice=pretended + advice,
        who_acts=Actor.USER if amd or given else Actor.TOOL,
    )


def _is_amd_vi(cpu: Cpu, facts: Facts) -> bool:
    """Tell by the table whose IOMMU it is, else by the processor."""
    try:
        tables = facts[AcpiTables]
    except MissingFact:
        return cpu.amd
    return tables.ivrs if tables.ivrs != tables.dmar else cpu.amd


class InterruptRemappingOff(Check):
    """The IOMMU is on, but it does not remap interrupts.

    What it does:
    Looks for interrupt controllers called IR-… in /proc/interrupts: Intel and AMD
    machines that remap interrupts name them so. Where none is named so, the VT-d
    units' own capabilities are looked at too.

    Why is this bad?
    VFIO then refuses devices ("No interrupt remapping support"), unless it is
    told to allow unsafe interrupts; with that, a virtual machine can send
    interrupts to its host.

    How it is repaired:
    Take intremap=off away if somebody set it. Else turn x2APIC and VT-d on in the
    firmware setup, or update the firmware.

    See it yourself:
        grep -c IR- /proc/interrupts
        sudo journalctl -k -b | grep -i -e 'remapping' -e 'x2apic'

    False alarms:
    None are known. Some old chipsets cannot remap interrupts at all.
    """

    id = "interrupt-remapping-off"
    severity = Severity.WARNING
    title = "Interrupts are not remapped"
    requires = ("iommu-off",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where interrupts surely go unmapped."""
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable("other processors do without interrupt remapping")
        if not facts[Iommu].on:
            raise NotApplicable("no IOMMU is in use")
        remapping = facts[InterruptRemapping]
        if remapping.on:
            return
        if remapping.on is None and not remapping.incapable:
            raise MissingFact(_untold(remapping))
        yield _not_remapped(remapping, facts)


def _untold(remapping: InterruptRemapping) -> str:
    if isinstance(remapping.chips, Missing):
        return str(remapping.chips)
    return "/proc/interrupts names no controller that could be remapped"


def _not_remapped(remapping: InterruptRemapping, facts: Facts) -> Finding:
    chips = remapping.chips
    seen = "not readable" if isinstance(chips, Missing) else ", ".join(sorted(chips))
    units = ", ".join(remapping.incapable)
    said = _argument(facts)
    evidence = [Evidence("/proc/interrupts", seen, "controllers called IR-…")]
    if units:
        evidence.append(Evidence(f"{UNITS}: ecap bit 3 of {units}", "0", "1"))
    if said:
        evidence.append(Evidence("/proc/cmdline", said, "no such argument"))
    return old_finding(
        "host",
        "The IOMMU is on, but interrupts are not remapped.",
        (),
        tuple(evidence),
        advice=_remapping_advice(said, units, facts),
        who_acts=Actor.USER if said else Actor.FIRMWARE,
    )


def _booted(facts: Facts, key: str, item: str) -> bool:
    """Tell whether a word stands in an argument's list; false where unknown."""
    try:
        line = facts[KernelCmdline].line
    except MissingFact:
        return False
    return any(item in (value or "").split(",") for value in line.values(key))


def _argument(facts: Facts) -> str:
    """Return the booted argument that turns remapping off, or ""."""
    if _booted(facts, "intremap", "off"):
        return "intremap=off"
    return "nointremap" if _booted(facts, "nointremap", "") else ""


def _remapping_advice(said: str, units: str, facts: Facts) -> str:
    if said:
        return f"Remove the kernel argument {said} and restart."
    if units:
        return (
            "This chipset cannot remap interrupts. VFIO works only with the module"
            " option allow_unsafe_interrupts=1 of vfio_iommu_type1: then trust every"
            " virtual machine that gets a device."
        )
    cpu, board = facts[Cpu], facts[Board]
    tail = "" if cpu.amd else " If that does not help, try intremap=no_x2apic_optout."
    return (
        f"In the firmware setup of {board.title} enable"
        f" {board.iommu_switch(cpu.amd)}, and x2APIC where there is such an entry;"
        f" look for a firmware update.{tail}"
    )
