"""Turn the IOMMU and interrupt remapping on at the next boot."""

from __future__ import annotations

from vfio_doctor.api import (
    AcpiTables,
    BootArguments,
    CannotFix,
    Change,
    Cpu,
    Facts,
    Finding,
    Fix,
    Iterator,
    KernelArguments,
    KernelCmdline,
    Missing,
)

INTEL, AMD = "GenuineIntel", "AuthenticAMD"
OFF = (("iommu", "off"), ("intel_iommu", "off"), ("amd_iommu", "off"))


def _passthrough_mode(facts: Facts) -> tuple[str, ...]:
    return ("iommu=pt",) if facts.options.passthrough_mode else ()


class EnableIommu(Fix):
    """Asks for `intel_iommu=on` at the next boot.

    On an Intel machine the kernel may leave the IOMMU off, though the firmware
    offers it, until this argument is given. On AMD no argument turns the IOMMU
    on: the kernel uses it whenever the firmware offers it. `iommu=pt` is added
    only with `--iommu-pt`: it can make the host's own devices faster and does not
    matter for the guest's.
    """

    id = "enable-iommu"
    solves = ("iommu-off",)
    summary = "Set intel_iommu=on for the next boot"
    needs = (Cpu, AcpiTables, KernelCmdline)
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the argument; decline where none helps."""
        vendor = facts[Cpu].vendor
        if vendor != INTEL:
            raise CannotFix(
                f"{vendor}: no kernel argument turns this IOMMU on; the firmware "
                "setup does (AMD-Vi, or IOMMU: Enabled instead of Auto)"
            )
        if facts[AcpiTables].dmar is not True:
            raise CannotFix("the firmware offers no IOMMU (no DMAR table)")
        if "on" in (facts[KernelCmdline].line.last("intel_iommu") or "").split(","):
            raise CannotFix("intel_iommu=on was booted already and changed nothing")
        yield KernelArguments(
            set_=_passthrough_mode(facts), add_items=(("intel_iommu", "on"),)
        )


class RemoveIommuOff(Fix):
    """Takes the arguments that turn the IOMMU off out of the next boot.

    These are `iommu=off`, `intel_iommu=off` and `amd_iommu=off`, inside a list
    such as `intel_iommu=off,sm_on` too. On Intel `intel_iommu=on` is asked for in
    their place, since many kernels leave the IOMMU off without it.
    """

    id = "remove-iommu-off"
    solves = ("iommu-disabled-by-argument",)
    summary = "Take the argument that turns the IOMMU off out of the next boot"
    needs = (Cpu, BootArguments)
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the words to take out, and what Intel needs instead."""
        line = facts[BootArguments].next
        if isinstance(line, Missing):
            raise CannotFix(f"the next boot's arguments are not known: {line}")
        given = tuple(
            (key, item)
            for key, item in OFF
            if any(item in (value or "").split(",") for value in line.values(key))
        )
        if not given:
            raise CannotFix("the next boot's arguments no longer have it: reboot")
        on = (("intel_iommu", "on"),) if facts[Cpu].vendor == INTEL else ()
        yield KernelArguments(
            set_=_passthrough_mode(facts), remove_items=given, add_items=on
        )


class RemoveIntremapOff(Fix):
    """Takes `intremap=off` and `nointremap` out of the next boot's arguments.

    Where interrupt remapping is off for another reason (firmware, chipset) no
    argument of ours helps; the finding says what to look for.
    """

    id = "remove-intremap-off"
    solves = ("interrupt-remapping-off",)
    summary = "Take intremap=off out of the next boot"
    needs = (BootArguments,)
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the words to take out; decline where there are none."""
        line = facts[BootArguments].next
        if isinstance(line, Missing):
            raise CannotFix(f"the next boot's arguments are not known: {line}")
        words = tuple(a.raw for a in line.arguments if a.raw in ("nointremap",))
        listed = any("off" in (v or "").split(",") for v in line.values("intremap"))
        if not words and not listed:
            raise CannotFix("no argument turns interrupt remapping off on this host")
        yield KernelArguments(
            remove=words, remove_items=(("intremap", "off"),) if listed else ()
        )
