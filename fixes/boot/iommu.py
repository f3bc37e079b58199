"""Turn the IOMMU and interrupt remapping on at the next boot."""

from __future__ import annotations

from vfio_doctor.api import (
    AcpiTables,
    ArgumentPlace,
    BootArguments,
    CannotFix,
    Change,
    CommandLine,
    Conclusion,
    Facts,
    Finding,
    Fix,
    IommuMaker,
    Iterator,
    KernelArguments,
    KernelCmdline,
    KernelMessages,
    Missing,
    MissingFact,
    Why,
    disabling,
    say,
)

ON = ("intel_iommu", "on")
PASSTHROUGH = ("iommu", "pt")
TRANSLATED = ("iommu", "nopt")
TABLE_BROKEN = say(
    "iommu-table-broken",
    "the kernel says that the firmware's table of the IOMMU is broken",
)
KEYS = ("iommu", "intel_iommu", "amd_iommu")

Items = tuple[tuple[str, str], ...]


def _wish(facts: Facts, add: Items, remove: Items = ()) -> KernelArguments:
    """Return the edit inside the lists, with ``iommu=pt`` if it is asked for."""
    if facts.options.passthrough_mode:
        add, remove = (*add, PASSTHROUGH), (*remove, TRANSLATED)
    return KernelArguments(add_items=add, remove_items=remove)


def _following(facts: Facts) -> CommandLine:
    line = facts[BootArguments].next
    if isinstance(line, Missing):
        raise CannotFix(
            say(
                "iommu-next-boot-unknown",
                "the next boot's arguments are not known: {why}",
                why=line.message,
            ),
            line.why,
        )
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

    If the firmware offers Intel's IOMMU, the kernel may leave it off until this
    argument is given. On AMD no argument turns the IOMMU on: the kernel uses it
    whenever the firmware offers it. `iommu=pt` is added only with `--iommu-pt`: it
    can make the host's own devices faster and does not matter for the guest's.
    """

    id = "enable-iommu"
    solves = ("iommu-off",)
    summary = "Set intel_iommu=on for the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the argument; decline if none helps."""
        _must_help(facts)
        yield _wish(facts, (ON,))


def _must_help(facts: Facts) -> None:
    """Raise `CannotFix` if the argument would change nothing."""
    if facts[IommuMaker].amd:
        raise CannotFix(
            say(
                "iommu-amd-needs-no-argument",
                "AMD-Vi: no kernel argument turns this IOMMU on; the firmware setup"
                " does (AMD-Vi, or IOMMU: Enabled instead of Auto)",
            )
        )
    if "off" in facts[KernelCmdline].line.values("acpi"):
        raise CannotFix(
            say("iommu-acpi-off", "acpi=off hides the firmware's IOMMU from the kernel")
        )
    if _is_broken(facts):
        raise CannotFix(TABLE_BROKEN)
    if _offered(facts) is False:
        raise CannotFix(
            say("iommu-no-dmar", "the firmware offers no IOMMU (no DMAR table)")
        )
    if _is_on(facts[KernelCmdline].line):
        raise CannotFix(
            say(
                "iommu-on-in-vain",
                "intel_iommu=on was booted already and changed nothing",
            )
        )
    following = facts[BootArguments].next
    if not isinstance(following, Missing) and _is_on(following):
        raise CannotFix(
            say(
                "iommu-on-next-boot",
                "intel_iommu=on is set and takes effect at the next boot",
            )
        )


def _is_broken(facts: Facts) -> bool:
    """Tell whether the kernel says that it cannot use the firmware's table."""
    try:
        return bool(facts[KernelMessages].log.of(Conclusion.DMAR_BROKEN))
    except MissingFact:
        return False


def _is_on(line: CommandLine) -> bool:
    return "on" in (line.last("intel_iommu") or "").split(",")


def _offered(facts: Facts) -> bool | None:
    """Tell whether the firmware offers VT-d; None if its tables are not known."""
    try:
        return facts[AcpiTables].dmar
    except MissingFact as unseen:
        return False if unseen.why is Why.ABSENT else None


class RemoveIommuOff(Fix):
    """Takes the arguments that turn the IOMMU off out of the next boot.

    These are `iommu=off`, and `intel_iommu=off` or `amd_iommu=off` if the
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
        match finding.place:
            case ArgumentPlace(word) if word in disabling(line, amd):
                keys = tuple(key for key in KEYS if _is_of(key, word))
                yield _wish(facts, () if amd else (ON,), _off_items(line, keys))
            case _:
                raise CannotFix(
                    say(
                        "iommu-word-gone",
                        "the next boot's arguments no longer have it: reboot",
                    )
                )


def _is_of(key: str, word: str) -> bool:
    return word.lstrip('"').replace("-", "_").startswith(f"{key}=")


class RemoveIntremapOff(Fix):
    """Takes `intremap=off` and `nointremap` out of the next boot's arguments.

    If interrupt remapping is off for another reason (firmware, chipset), no
    argument helps; the finding says what to look for.
    """

    id = "remove-intremap-off"
    solves = ("interrupt-remapping-off",)
    summary = "Take intremap=off out of the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the words to take out; decline if there are none."""
        line = _following(facts)
        words = tuple(a.raw for a in line.arguments if a.key == "nointremap")
        items = _off_items(line, ("intremap",))
        if not words and not items:
            raise CannotFix(
                say(
                    "remapping-no-argument",
                    "no argument turns interrupt remapping off on this host",
                )
            )
        yield KernelArguments(remove=words, remove_items=items)
