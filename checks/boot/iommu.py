"""Checks of the IOMMU: offered by the firmware, used by the kernel."""

from __future__ import annotations

from vfio_doctor.api import (
    KERNEL_LOG,
    AcpiTables,
    Actor,
    Board,
    BootKind,
    BootStack,
    Check,
    Conclusion,
    Cpu,
    Evidence,
    Facts,
    Finding,
    Generated,
    HostPlace,
    Init,
    InterruptRemapping,
    Iommu,
    IommuMaker,
    Iterator,
    KernelCmdline,
    KernelMessages,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    NotApplicable,
    Severity,
    in_order,
    known,
    say,
    way_to_set,
)

GROUPS = "/sys/kernel/iommu_groups"
UNITS = "/sys/class/iommu"
TABLES = "/sys/firmware/acpi/tables"
INTERRUPTS = "/proc/interrupts"
XEN = say(
    "iommu-under-xen", "Xen runs below this system and keeps the IOMMU for itself"
)
NO_TABLES = say(
    "iommu-tables-on-x86-only", "the tables DMAR and IVRS exist on x86 machines only"
)
NO_TABLE = say("iommu-no-table", "neither DMAR nor IVRS among {count} tables")
TABLE = say("iommu-table-wanted", "DMAR (Intel) or IVRS (AMD)")
NO_GROUP = say("iommu-no-group", "no group")
PRETENDED = say("iommu-groups-pretended", "only {count} of VFIO's no-IOMMU mode")
MEDIATED = say("iommu-groups-mediated", "only {count} of mediated devices")
GROUP = say("iommu-group-wanted", "at least one group")
NOT_GIVEN = say(
    "iommu-not-given-to-guest",
    "This system is itself a virtual machine, and its hypervisor's host gives it no"
    " virtual IOMMU.",
)
GIVE = say(
    "iommu-give-to-guest",
    "On the hypervisor's host, add a virtual IOMMU to this virtual machine (libvirt,"
    " machine type q35: `<iommu model='{model}'><driver intremap='on'/></iommu>` and"
    " `<ioapic driver='qemu'/>` among the features). If you did not mean to pass"
    " devices on from inside a virtual machine, run vfio-doctor on that host.",
)
NOT_OFFERED = say("iommu-not-offered", "The firmware offers the kernel no IOMMU.")
ENABLE = say(
    "iommu-enable-in-firmware",
    "{enter} and enable {switch}. If there is no such entry, turn CPU virtualization on"
    " first and CSM (legacy boot) off, and look for a firmware update.",
)
ON_A_MAC = say(
    "iommu-none-on-a-mac",
    "This Mac shows no IOMMU to Linux, and its firmware has no menu for it: passthrough"
    " will not work on it.",
)


class IommuFirmwareOff(Check):
    """The firmware offers no IOMMU to the kernel.

    What it does:
    Lists the firmware's ACPI tables. DMAR describes Intel VT-d, IVRS describes
    AMD-Vi. If the kernel already uses an IOMMU, all is well without looking.

    Why is this bad?
    The IOMMU keeps a passed-through device inside its virtual machine. Without
    one, VFIO refuses every device. No kernel argument helps while the firmware
    keeps it off.

    How it is repaired:
    By you, in the firmware setup of the computer: VT-d on Intel, IOMMU on AMD
    (Auto means off on many boards: choose Enabled).

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
        """Yield one finding if no group and no table of an IOMMU exists."""
        facts[LookingGlassGuest].demand_host()
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable(NO_TABLES)
        if facts[Iommu].on:
            return
        tables = facts[AcpiTables]
        if tables.dmar or tables.ivrs or tables.viot:
            return
        if cpu.xen:
            raise MissingFact(XEN)
        count = len(tables.names)
        table = Evidence(TABLES, NO_TABLE.filled(count=count), TABLE)
        rows = (table, _no_group(facts[Iommu]))
        if cpu.hypervisor:
            advice = GIVE.filled(model="amd" if cpu.amd else "intel")
            yield Finding(HostPlace(), NOT_GIVEN, rows, None, advice)
        else:
            advice, actor = _in_firmware(facts, cpu, facts[Board]), Actor.FIRMWARE
            yield Finding(HostPlace(), NOT_OFFERED, rows, None, advice, actor)


def _no_group(iommu: Iommu) -> Evidence:
    seen = NO_GROUP
    if iommu.pretended:
        seen = PRETENDED.filled(count=len(iommu.pretended))
    elif iommu.unbacked:
        seen = MEDIATED.filled(count=len(iommu.unbacked))
    return Evidence(GROUPS, seen, GROUP)


def _in_firmware(facts: Facts, cpu: Cpu, board: Board) -> Message:
    if "Apple" in (board.vendor or board.system_vendor):
        return ON_A_MAC
    return ENABLE.filled(
        enter=facts[Init].firmware(board.title), switch=board.iommu_switch(cpu.amd)
    )


NO_SMMU = say(
    "iommu-smmu-unknown",
    "there is no IOMMU group, and on this architecture nothing tells whether the"
    " machine has an IOMMU (SMMU) at all",
)
NOT_USED = say("iommu-not-used", "The kernel has put no device into an IOMMU group.")
NO_UNIT = say("iommu-no-unit", "empty")
UNIT = say("iommu-unit-wanted", "dmar0 or ivhd0")
ADD_ARGUMENT = say(
    "iommu-add-argument",
    "Add the kernel argument intel_iommu=on with your system's tool, then reboot:"
    " `rpm-ostree kargs --append-if-missing=intel_iommu=on`, or"
    " `sudo grubby --update-kernel=ALL --args=intel_iommu=on`, or"
    " GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and `sudo update-grub`.",
)
OWN_MEANS = say(
    "iommu-add-argument-by-own-means",
    "Add the kernel argument intel_iommu=on with your boot loader's own means, then"
    " reboot.",
)
UPDATE_FIRMWARE = say(
    "iommu-update-firmware",
    "The table by which the firmware describes the IOMMU is broken, as the kernel's log"
    " says ({line}). Look for a firmware update of the board; no kernel argument mends"
    " it.",
)
READ_AMD_LOG = say(
    "iommu-read-amd-log",
    "No kernel argument turns AMD-Vi on: it is used whenever it works. Read why it does"
    " not: `{command}`, and look for a firmware update of the board.",
)
READ_LOG = say(
    "iommu-read-log",
    "intel_iommu=on was booted and changed nothing. Read why: `{command}`, and look for"
    " a firmware update of the board.",
)
NO_ACPI = say(
    "iommu-without-acpi",
    "The kernel was started with acpi=off, and without ACPI it finds no IOMMU. Take"
    " acpi=off out of the kernel arguments, then reboot.",
)
LOAD_VIRTIO = say(
    "iommu-load-virtio",
    "The hypervisor gives this virtual machine a virtio IOMMU, and no kernel argument"
    " turns it on: its driver has to be there at boot. Build virtio_iommu into the"
    " kernel or its initramfs, or give the machine an Intel or AMD IOMMU instead.",
)
END_PRETENCE = say(
    "iommu-end-no-iommu-mode",
    "VFIO's no-IOMMU mode is on: it makes groups without any protection, and no virtual"
    " machine can use them. Take enable_unsafe_noiommu_mode out of the options of the"
    " module vfio.",
)


class IommuOff(Check):
    """The kernel does not use the IOMMU.

    What it does:
    Counts the IOMMU groups of the kernel that have an IOMMU behind them: mediated
    devices, and VFIO's mode without an IOMMU, make groups too. It judges by this
    effect alone, never by kernel arguments.

    Why is this bad?
    VFIO hands devices to a virtual machine by their group. Without groups there
    is no passthrough, and libvirt says "host doesn't support passthrough of host
    PCI devices".

    How it is repaired:
    On Intel, with the kernel argument intel_iommu=on. On AMD the kernel uses the
    IOMMU by itself; if it does not, its log says why.

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
        """Yield one finding if the kernel has put no device into a group."""
        facts[LookingGlassGuest].demand_host()
        iommu = facts[Iommu]
        if iommu.on:
            return
        if facts[Cpu].xen:
            raise MissingFact(XEN)
        if not facts[Cpu].x86:
            raise MissingFact(NO_SMMU)
        by_hand = _how_to_use(facts)
        actor = Actor.USER if by_hand else Actor.TOOL
        advice = by_hand or _add_argument(facts)
        advice = in_order(END_PRETENCE if iommu.pretended else None, advice)
        unit = Evidence(UNITS, ", ".join(iommu.units) or NO_UNIT, UNIT)
        broken = tuple(_broken_tables(facts))
        if broken:
            advice = UPDATE_FIRMWARE.filled(line=broken[0].observed)
        rows = (_no_group(iommu), unit, *broken)
        yield Finding(HostPlace(), NOT_USED, rows, None, advice, actor)


def _broken_tables(facts: Facts) -> Iterator[Evidence]:
    """Yield the lines in which the kernel says that the firmware's table is at fault.

    Without a log, or with an old one, nothing is lost but the reason.
    """
    try:
        log = facts[KernelMessages].log
    except MissingFact:
        return
    found = log.of(Conclusion.DMAR_BROKEN, Conclusion.IVRS_BROKEN)
    for line in dict.fromkeys(match.line for match in found):
        yield Evidence(KERNEL_LOG, line)


def _add_argument(facts: Facts) -> Message:
    """Return how the argument is set by hand with what starts this host."""
    try:
        kind = facts[BootStack].kind
    except MissingFact:
        return ADD_ARGUMENT
    if kind is BootKind.UNKNOWN or facts[Generated].yes:
        return ADD_ARGUMENT
    if kind is BootKind.PROXMOX:
        return OWN_MEANS
    return way_to_set(("intel_iommu=on",), kind, facts) or OWN_MEANS


def _how_to_use(facts: Facts) -> Message | None:
    """Return what to do about the IOMMU; None if an argument turns it on."""
    if _booted(facts, "acpi", "off"):
        return NO_ACPI
    try:
        tables = facts[AcpiTables]
    except MissingFact:
        tables = AcpiTables(())
    if tables.viot and not (tables.dmar or tables.ivrs):
        return LOAD_VIRTIO
    if _likely_amd(facts):
        return READ_AMD_LOG.filled(command=facts[Init].log("AMD-Vi", "ivrs"))
    if not _booted(facts, "intel_iommu", "on"):
        return None
    return READ_LOG.filled(command=facts[Init].log("DMAR", "iommu"))


def _likely_amd(facts: Facts) -> bool:
    """Tell whose IOMMU this is, for advice: the processor's maker's if not known."""
    try:
        return facts[IommuMaker].amd
    except MissingFact:
        return facts[Cpu].amd


def _booted(facts: Facts, key: str, item: str) -> bool:
    """Tell whether a word stands in an argument's list; false if not known."""
    try:
        line = facts[KernelCmdline].line
    except MissingFact:
        return False
    return any(item in (value or "").split(",") for value in line.values(key))


NO_REMAPPING = say(
    "remapping-on-x86-only", "other processors do without interrupt remapping"
)
NO_IOMMU = say("remapping-without-iommu", "no IOMMU is in use")
NO_CONTROLLER = say(
    "remapping-no-controller", "{path} names no controller that could be remapped"
)
UNREAD = say("remapping-unread", "not readable")
REMAPPED = say("remapping-wanted", "controllers called IR-…")
BIT = say("remapping-ecap", "{path}: ecap bit 3 of {units}")
NO_ARGUMENT = say("remapping-argument-unwanted", "no such argument")
NOT_REMAPPED = say("remapping-off", "The IOMMU is on, but interrupts are not remapped.")
REMOVE = say(
    "remapping-remove-argument", "Remove the kernel argument {argument}, then reboot."
)
CANNOT = say(
    "remapping-chipset-cannot",
    "This chipset cannot remap interrupts. VFIO works only with the module option"
    " allow_unsafe_interrupts=1 of vfio_iommu_type1: with that, trust every virtual"
    " machine that gets a device.",
)
ENABLE_X2APIC = say(
    "remapping-enable-in-firmware",
    "In the firmware setup of {board} enable {switch}, and x2APIC if there is such an"
    " entry; look for a firmware update.",
)
TRY_NO_OPTOUT = say(
    "remapping-try-no-optout",
    "If that does not help, try the kernel argument intremap=no_x2apic_optout.",
)


class InterruptRemappingOff(Check):
    """The IOMMU is on, but it does not remap interrupts.

    What it does:
    Looks for interrupt controllers called IR-… in /proc/interrupts: Intel and AMD
    machines that remap interrupts name them so. If none has such a name, the VT-d
    units' own capabilities are looked at too.

    Why is this bad?
    VFIO then refuses devices ("No interrupt remapping support"), unless it is
    told to allow unsafe interrupts; with that, a virtual machine can send
    interrupts to its host.

    How it is repaired:
    If somebody set intremap=off, take it away. Otherwise turn x2APIC and VT-d on
    in the firmware setup, or update the firmware.

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
        """Yield one finding if interrupts surely go unmapped."""
        facts[LookingGlassGuest].demand_host()
        if not facts[Cpu].x86:
            raise NotApplicable(NO_REMAPPING)
        if not facts[Iommu].on:
            raise NotApplicable(NO_IOMMU)
        remapping = facts[InterruptRemapping]
        if remapping.on:
            return
        if remapping.on is None and not remapping.incapable:
            known(remapping.chips)
            raise MissingFact(NO_CONTROLLER.filled(path=INTERRUPTS))
        argument = _argument(facts)
        rows = tuple(_rows(remapping, argument))
        advice = _remapping_advice(argument, bool(remapping.incapable), facts)
        actor = Actor.USER if argument else Actor.FIRMWARE
        yield Finding(HostPlace(), NOT_REMAPPED, rows, None, advice, actor)


def _rows(remapping: InterruptRemapping, argument: str) -> Iterator[Evidence]:
    chips, units = remapping.chips, remapping.incapable
    seen = UNREAD if isinstance(chips, Missing) else ", ".join(sorted(chips))
    yield Evidence(INTERRUPTS, seen, REMAPPED)
    if units:
        yield Evidence(BIT.filled(path=UNITS, units=units), "0", "1")
    if argument:
        yield Evidence("/proc/cmdline", argument, NO_ARGUMENT)


def _argument(facts: Facts) -> str:
    """Return the booted argument that turns remapping off, or ""."""
    if _booted(facts, "intremap", "off"):
        return "intremap=off"
    return "nointremap" if _booted(facts, "nointremap", "") else ""


def _remapping_advice(argument: str, incapable: bool, facts: Facts) -> Message:
    if argument:
        return REMOVE.filled(argument=argument)
    if incapable:
        return CANNOT
    amd, board = facts[Cpu].amd, facts[Board]
    enable = ENABLE_X2APIC.filled(board=board.title, switch=board.iommu_switch(amd))
    return in_order(enable, None if amd else TRY_NO_OPTOUT)
