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
    HostPlace,
    InterruptRemapping,
    Iommu,
    IommuMaker,
    Iterator,
    KernelCmdline,
    Message,
    Missing,
    MissingFact,
    NotApplicable,
    Severity,
    in_order,
    missing_fact,
    say,
)

GROUPS = "/sys/kernel/iommu_groups"
UNITS = "/sys/class/iommu"
TABLES = "/sys/firmware/acpi/tables"
INTERRUPTS = "/proc/interrupts"
XEN = say(
    "iommu-under-xen", "Xen runs below this system and keeps the IOMMU for itself"
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
        cpu = facts[Cpu]
        if not cpu.x86:
            raise NotApplicable(
                say(
                    "iommu-tables-on-x86-only",
                    "the tables DMAR and IVRS exist on x86 machines only",
                )
            )
        if facts[Iommu].on:
            return
        tables = facts[AcpiTables]
        if tables.dmar or tables.ivrs or tables.viot:
            return
        if cpu.xen:
            raise MissingFact(XEN)
        evidence = (_no_table(tables), _no_group(facts[Iommu]))
        if cpu.hypervisor:
            yield _not_given(cpu, evidence)
        else:
            yield _not_offered(cpu, facts[Board], evidence)


def _no_table(tables: AcpiTables) -> Evidence:
    seen = say(
        "iommu-no-table",
        "neither DMAR nor IVRS among {count} tables",
        count=len(tables.names),
    )
    wanted = say("iommu-table-wanted", "DMAR (Intel) or IVRS (AMD)")
    return Evidence(TABLES, seen, wanted)


def _no_group(iommu: Iommu) -> Evidence:
    seen = say("iommu-no-group", "no group")
    if iommu.pretended:
        seen = say(
            "iommu-groups-pretended",
            "only {count} of VFIO's no-IOMMU mode",
            count=len(iommu.pretended),
        )
    return Evidence(GROUPS, seen, say("iommu-group-wanted", "at least one group"))


def _not_given(cpu: Cpu, evidence: tuple[Evidence, ...]) -> Finding:
    return Finding(
        HostPlace(),
        say(
            "iommu-not-given-to-guest",
            "This system is itself a virtual machine, and its hypervisor's host gives"
            " it no virtual IOMMU.",
        ),
        evidence,
        advice=say(
            "iommu-give-to-guest",
            "On the hypervisor's host, add a virtual IOMMU to this virtual machine"
            " (libvirt, machine type q35: `<iommu model='{model}'><driver"
            " intremap='on'/></iommu>` and `<ioapic driver='qemu'/>` among the"
            " features). If you did not mean to pass devices on from inside a virtual"
            " machine, run vfio-doctor on that host.",
            model="amd" if cpu.amd else "intel",
        ),
    )


def _not_offered(cpu: Cpu, board: Board, evidence: tuple[Evidence, ...]) -> Finding:
    advice = say(
        "iommu-enable-in-firmware",
        "Reboot into the firmware setup (`systemctl reboot --firmware-setup`) of"
        " {board} and enable {switch}. If there is no such entry, turn CPU"
        " virtualization on first and CSM (legacy boot) off, and look for a firmware"
        " update.",
        board=board.title,
        switch=board.iommu_switch(cpu.amd),
    )
    if "Apple" in (board.vendor or board.system_vendor):
        advice = say(
            "iommu-none-on-a-mac",
            "This Mac shows no IOMMU to Linux, and its firmware has no menu for it:"
            " passthrough will not work on it.",
        )
    return Finding(
        HostPlace(),
        say("iommu-not-offered", "The firmware offers the kernel no IOMMU."),
        evidence,
        advice=advice,
        who_acts=Actor.FIRMWARE,
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
        iommu = facts[Iommu]
        if iommu.on:
            return
        cpu = facts[Cpu]
        if cpu.xen:
            raise MissingFact(XEN)
        if not cpu.x86:
            raise MissingFact(
                say(
                    "iommu-smmu-unknown",
                    "there is no IOMMU group, and on this architecture nothing tells"
                    " whether the machine has an IOMMU (SMMU) at all",
                )
            )
        yield _not_used(iommu, facts)


def _not_used(iommu: Iommu, facts: Facts) -> Finding:
    amd = facts[IommuMaker].amd
    given = not amd and _booted(facts, "intel_iommu", "on")
    advice = _read_amd_log() if amd else _read_log() if given else _add_argument()
    none = say("iommu-no-unit", "empty")
    wanted = say("iommu-unit-wanted", "dmar0 or ivhd0")
    return Finding(
        HostPlace(),
        say("iommu-not-used", "The kernel has put no device into an IOMMU group."),
        (_no_group(iommu), Evidence(UNITS, ", ".join(iommu.units) or none, wanted)),
        advice=in_order(_end_pretence() if iommu.pretended else None, advice),
        who_acts=Actor.USER if amd or given else Actor.TOOL,
    )


def _add_argument() -> Message:
    return say(
        "iommu-add-argument",
        "Add the kernel argument intel_iommu=on with the tool of your system, then"
        " reboot: `rpm-ostree kargs --append-if-missing=intel_iommu=on`, or"
        " `sudo grubby --update-kernel=ALL --args=intel_iommu=on`, or"
        " GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and `sudo update-grub`.",
    )


def _read_amd_log() -> Message:
    return say(
        "iommu-read-amd-log",
        "No kernel argument turns AMD-Vi on: it is used whenever it works. Read why it"
        " does not: `sudo journalctl -k -b | grep -i -e AMD-Vi -e ivrs`, and look for a"
        " firmware update of the board.",
    )


def _read_log() -> Message:
    return say(
        "iommu-read-log",
        "intel_iommu=on was booted and changed nothing. Read why:"
        " `sudo journalctl -k -b | grep -i -e DMAR -e iommu`, and look for a firmware"
        " update of the board.",
    )


def _end_pretence() -> Message:
    return say(
        "iommu-end-no-iommu-mode",
        "VFIO's no-IOMMU mode is on: it makes groups without any protection, and no"
        " virtual machine can use them. Take enable_unsafe_noiommu_mode out of the"
        " options of the module vfio.",
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
        if not facts[Cpu].x86:
            raise NotApplicable(
                say(
                    "remapping-on-x86-only",
                    "other processors do without interrupt remapping",
                )
            )
        if not facts[Iommu].on:
            raise NotApplicable(say("remapping-without-iommu", "no IOMMU is in use"))
        remapping = facts[InterruptRemapping]
        if remapping.on:
            return
        if remapping.on is None and not remapping.incapable:
            if isinstance(remapping.chips, Missing):
                raise missing_fact(remapping.chips)
            raise MissingFact(
                say(
                    "remapping-no-controller",
                    "{path} names no controller that could be remapped",
                    path=INTERRUPTS,
                )
            )
        yield _not_remapped(remapping, facts)


def _not_remapped(remapping: InterruptRemapping, facts: Facts) -> Finding:
    chips, units = remapping.chips, remapping.incapable
    seen: str | Message = say("remapping-unread", "not readable")
    if not isinstance(chips, Missing):
        seen = ", ".join(sorted(chips))
    wanted = say("remapping-wanted", "controllers called IR-…")
    evidence = [Evidence(INTERRUPTS, seen, wanted)]
    if units:
        bit = say(
            "remapping-ecap", "{units}: ecap bit 3 of {names}", units=UNITS, names=units
        )
        evidence.append(Evidence(bit, "0", "1"))
    argument = _argument(facts)
    if argument:
        absent = say("remapping-argument-unwanted", "no such argument")
        evidence.append(Evidence("/proc/cmdline", argument, absent))
    return Finding(
        HostPlace(),
        say("remapping-off", "The IOMMU is on, but interrupts are not remapped."),
        tuple(evidence),
        advice=_remapping_advice(argument, bool(units), facts),
        who_acts=Actor.USER if argument else Actor.FIRMWARE,
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


def _remapping_advice(argument: str, incapable: bool, facts: Facts) -> Message:
    if argument:
        return say(
            "remapping-remove-argument",
            "Remove the kernel argument {argument}, then reboot.",
            argument=argument,
        )
    if incapable:
        return say(
            "remapping-chipset-cannot",
            "This chipset cannot remap interrupts. VFIO works only with the module"
            " option allow_unsafe_interrupts=1 of vfio_iommu_type1: with that, trust"
            " every virtual machine that gets a device.",
        )
    amd, board = facts[Cpu].amd, facts[Board]
    enable = say(
        "remapping-enable-in-firmware",
        "In the firmware setup of {board} enable {switch}, and x2APIC if there is such"
        " an entry; look for a firmware update.",
        board=board.title,
        switch=board.iommu_switch(amd),
    )
    optout = say(
        "remapping-try-no-optout",
        "If that does not help, try the kernel argument intremap=no_x2apic_optout.",
    )
    return in_order(enable, None if amd else optout)
