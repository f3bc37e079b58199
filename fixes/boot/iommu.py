"""Turn the IOMMU and interrupt remapping on at the next boot."""

from __future__ import annotations

from vfio_doctor.api import (
    AcpiTables,
    BootArguments,
    CannotFix,
    Change,
    CommandLine,
    Facts,
    Finding,
    Fix,
    IommuMaker,
    Iterator,
    KernelArguments,
    KernelCmdline,
    Missing,
    MissingFact,
    disabling,
)

ON = ("intel_iommu", "on")
PASSTHROUGH = ("iommu", "pt")
TRANSLATED = ("iommu", "nopt")
KEYS = ("iommu", "intel_iommu", "amd_iommu")

Items = tuple[tuple[str, str], ...]


def _wish(facts: Facts, add: Items, remove: Items = ()) -> KernelArguments:
    """Return the edit inside the lists, with ``iommu=pt`` where it is asked for."""
    if facts.options.passthrough_mode:
        add, remove = (*add, PASSTHROUGH), (*remove, TRANSLATED)
    return KernelArguments(add_items=add, remove_items=remove)


def _following(facts: Facts) -> CommandLine:
    line = facts[BootArguments].next
    if isinstance(line, Missing):
        raise CannotFix(f"the next boot's arguments are not known: {line}")
    return line


def _off_items(line: CommandLine, keys: tuple[str, ...]) -> Items:
    """Return the list items that mean off; the kernel compares three letters."""
    return tuple(
        dict.fromkeys(
            (key, item)
            for argument in line.arguments
            for key in keys
            if argument.key.replace("-", "_") == key
            for item in argument.items
            if item.startswith("off")
        )
    )


class EnableIommu(Fix):
    """Asks for `intel_iommu=on` at the next boot.

    Where the firmware offers Intel's IOMMU the kernel may leave it off until this
    argument is given. On AMD no argument turns the IOMMU on: the kernel uses it
    whenever the firmware offers it. `iommu=pt` is added only with `--iommu-pt`: it
    can make the host's own devices faster and does not matter for the guest's.
    """

    id = "enable-iommu"
    solves = ("iommu-off",)
    summary = "Set intel_iommu=on for the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the argument; decline where none helps."""
        if facts[IommuMaker].amd:
            raise CannotFix(
                "AMD-Vi: no kernel argument turns this IOMMU on; the firmware setup "
                "does (AMD-Vi, or IOMMU: Enabled instead of Auto)"
            )
        if _offered(facts) is False:
            raise CannotFix("the firmware offers no IOMMU (no DMAR table)")
        if "on" in (facts[KernelCmdline].line.last("intel_iommu") or "").split(","):
            raise CannotFix("intel_iommu=on was booted already and changed nothing")
        following = facts[BootArguments].next
        if not isinstance(following, Missing) and "on" in (
            following.last("intel_iommu") or ""
        ).split(","):
            raise CannotFix(
                "intel_iommu=on is set and takes effect at the next boot: restart"
            )
        yield _wish(facts, (ON,))


def _offered(facts: Facts) -> bool | None:
    """Tell whether the firmware offers VT-d; None where its tables are not known."""
    try:
        return facts[AcpiTables].dmar
    except MissingFact:
        return None


class RemoveIommuOff(Fix):
    """Takes the arguments that turn the IOMMU off out of the next boot.

    These are `iommu=off`, and `intel_iommu=off` or `amd_iommu=off` where the
    firmware offers that maker's IOMMU, inside a list such as
    `intel_iommu=off,sm_on` too. For Intel's IOMMU `intel_iommu=on` is asked for in
    their place, since many kernels leave it off without that.
    """

    id = "remove-iommu-off"
    solves = ("iommu-disabled-by-argument",)
    summary = "Take the argument that turns the IOMMU off out of the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the words to take out, and what Intel needs instead."""
        line, amd = _following(facts), facts[IommuMaker].amd
        words = disabling(line, amd)
        if not words:
            raise CannotFix("the next boot's arguments no longer have it: reboot")
        keys = tuple(key for key in KEYS if any(_is_of(key, word) for word in words))
        yield _wish(facts, () if amd else (ON,), _off_items(line, keys))


def _is_of(key: str, word: str) -> bool:
    return word.lstrip('"').replace("-", "_").startswith(f"{key}=")


class RemoveIntremapOff(Fix):
    """Takes `intremap=off` and `nointremap` out of the next boot's arguments.

    Where interrupt remapping is off for another reason (firmware, chipset) no
    argument of ours helps; the finding says what to look for.
    """

    id = "remove-intremap-off"
    solves = ("interrupt-remapping-off",)
    summary = "Take intremap=off out of the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the words to take out; decline where there are none."""
        line = _following(facts)
        words = tuple(a.raw for a in line.arguments if a.key == "nointremap")
        items = _off_items(line, ("intremap",))
        if not words and not items:
            raise CannotFix("no argument turns interrupt remapping off on this host")
        yield KernelArguments(remove=words, remove_items=items)
