"""Have the kvmfr module loaded, with a device of the right size."""

from __future__ import annotations

from vfio_doctor.api import (
    LIST_FILE,
    MIB,
    MODPROBE_FILE,
    PARAMETER,
    Actor,
    Applicability,
    CannotFix,
    Change,
    DeleteFile,
    EditLine,
    Facts,
    Finding,
    Fix,
    FreeMemory,
    Generated,
    InitramfsModules,
    Iterator,
    KernelArguments,
    KvmfrFile,
    KvmfrLoaded,
    KvmfrSettings,
    KvmfrSize,
    KvmfrSizes,
    LoadModule,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    ModuleConfig,
    ModuleOption,
    ModulePlace,
    NodePlace,
    RebuildImages,
    Terms,
    Why,
    is_good_size,
    known,
    kvmfr_refused,
    option_line,
    say,
    wanted_by_vm,
)

MODULE = "kvmfr"
ONLY_STRAY = say("remove-stray-kvmfr-only", "Remove the stray file")
ONLY_SIZE = say("size-kvmfr-file", "Set static_size_mb for kvmfr at the next boot")
ONLY_RELOAD = say("size-kvmfr-reload", "Load kvmfr again, with the size that is set")
WORKS = say(
    "size-kvmfr-works",
    "the device works with {mib} MiB, and what is set is another good size: only you "
    "know which one the VM needs. Set it with --size, or reload the module yourself",
)
THIRD = say(
    "size-kvmfr-third",
    "the device works with {mib} MiB, and {vm} maps {wanted}, which is not what is set"
    " either: --size says which one you want",
)
IN_IMAGE = say(
    "size-kvmfr-in-image",
    "{source} has the initramfs load kvmfr, with the size that was set when the image "
    "was made: run `{command}` and reboot",
)
RELOADS = say(
    "size-kvmfr-reloads",
    "Set static_size_mb={mib} and reload kvmfr, whose device works with {now} MiB now",
)
NEAR_LIMIT = say(
    "size-kvmfr-near-limit",
    "The device takes {mib} MiB for as long as the module is loaded, and only {free} "
    "MiB of memory are free now: programs may be killed for want of memory.",
)
LATER = say(
    "load-kvmfr-size-later",
    "Load kvmfr with the size that the running kernel's arguments give, and set {mib}"
    " MiB for the next boot",
)
AT_NEXT_BOOT = say(
    "load-kvmfr-size-first",
    "Set kvmfr.static_size_mb={mib} for the next boot: with the running kernel's"
    " arguments kvmfr would make no device",
)
OF_GUEST = say(
    "size-kvmfr-of-guest",
    "in a guest no size is wanted, and taking one out renames devices: by hand",
)
ON_LINE = say(
    "size-kvmfr-on-command-line",
    "the kernel command line gives the size; it has to be edited",
)
BUILT_IN = say(
    "size-kvmfr-built-in",
    "kvmfr is built into this kernel: a kernel argument gives its size, from the next"
    " boot on",
)
NO_DEVICE = say("delete-leftover-node", "a regular file where a device belongs")


def _size(facts: Facts) -> Iterator[Change]:
    """Yield what gives the module a size, from one source; nothing if it has one.

    A value on the command line beats modprobe.d (libkmod-config.c), so if there is
    one, that is edited. Every value is parsed, so a bad one that loses is edited
    too. A size that QEMU does not take, or that is too small for a picture, counts
    as none. A device that works keeps the size that it has. If the initramfs loads
    kvmfr, its copy of modprobe.d has to be made anew.
    """
    if facts[LookingGlassGuest].address:
        return
    setting = facts[KvmfrSettings].following
    if not setting.problems and not facts.options.size_mib and not _vm_has(facts):
        return
    facts[Generated].refuse()
    changes = tuple(_sized(facts, setting.given))
    yield from changes
    paths = tuple(c.path for c in changes if isinstance(c, EditLine))
    if paths and facts[InitramfsModules].rebuild(MODULE):
        yield RebuildImages((), paths)


def _vm_has(facts: Facts) -> bool:
    """Tell whether a VM maps what the only device has, and another size is set."""
    wanted, _ = wanted_by_vm(facts)
    held = [size for _, size in facts[KvmfrSizes].sizes]
    given = facts[KvmfrSettings].following.sizes.mib
    return held == [wanted * MIB] and len(given) == 1 and given != (wanted,)


def _vm_waits(facts: Facts) -> bool:
    """Tell whether a VM maps what is set, which the only device does not have yet."""
    wanted, _ = wanted_by_vm(facts)
    alone = len(facts[KvmfrSizes].sizes) == 1
    return alone and facts[KvmfrSettings].now.sizes.mib == (wanted,)


def _sized(facts: Facts, given: tuple[ModuleOption, ...]) -> Iterator[Change]:
    working, new = _working(facts), str(facts[KvmfrSize].mib)
    for option in given:
        yield _edited(facts, option, working or _mended(facts, option, new))
    if not given:
        yield EditLine(MODPROBE_FILE, "", option_line(working or new))


def _mended(facts: Facts, option: ModuleOption, new: str) -> str:
    """Return a list of sizes with those that will not do replaced, the others kept."""
    items = (option.value or "").split(",")
    if facts.options.size_mib or len(items) == 1:
        return new
    return ",".join(item if _is_good(item) else new for item in items)


def _is_good(item: str) -> bool:
    return (
        item.isascii() and item.isdigit() and len(item) < 6 and is_good_size(int(item))
    )


def _near_the_limit(facts: Facts, changes: tuple[Change, ...]) -> Iterator[Terms]:
    """Yield the terms of a size that takes most of the memory that is free now."""
    try:
        free = facts[FreeMemory].mib
    except MissingFact:
        return
    mib = facts[KvmfrSize].mib
    if changes and mib * 4 > free * 3:
        lost = NEAR_LIMIT.filled(mib=mib, free=free)
        yield Terms(applicability=Applicability.RISKY, may_be_lost=lost)


def _edited(facts: Facts, option: ModuleOption, wanted: str) -> Change:
    place = option.place
    if place is None:
        return KernelArguments(set_=(f"{MODULE}.{PARAMETER}={wanted}",))
    if place.path.startswith("/etc/conf.d/"):
        raise CannotFix(
            say(
                "size-kvmfr-openrc",
                "{place}: OpenRC gives the size; write {option} there by hand",
                place=str(place),
                option=f"{PARAMETER}={wanted}",
            )
        )
    if not place.path.startswith("/etc/"):
        raise CannotFix(
            say(
                "size-kvmfr-of-package",
                "{path} belongs to a package; put a file of that name in /etc",
                path=place.path,
            )
        )
    lines = dict(facts[ModuleConfig].options)[place.path].directives
    raw = next(item.raw for item in lines if item.line == place.line)
    old = f"{PARAMETER}={option.value}"
    if option.value is None or raw.count(old) != 1:
        raise CannotFix(
            say(
                "size-kvmfr-by-hand",
                "{place}: write {option} there by hand",
                place=str(place),
                option=f"{PARAMETER}={wanted}",
            )
        )
    return EditLine(place.path, raw, raw.replace(old, f"{PARAMETER}={wanted}"))


def _working(facts: Facts) -> str:
    """Return the sizes in MiB of devices that all work, "" if one does not.

    The VM definition names that size too, so another one would stop the VM. What
    `--size` says goes before it.
    """
    return "" if facts.options.size_mib else _are_all_good(facts)


def _are_all_good(facts: Facts) -> str:
    """Return the sizes of all devices, "" if there are none or one will not do.

    Raises `MissingFact` if there are devices and their size cannot be asked, as
    without root.
    """
    found = []
    for _, answer in facts[KvmfrSizes].sizes:
        if kvmfr_refused(answer):
            return ""
        mib, rest = divmod(known(answer), MIB)
        if rest or not is_good_size(mib):
            return ""
        found.append(str(mib))
    return ",".join(found)


def _on_running_line(facts: Facts) -> bool:
    """Tell whether the running kernel's arguments give a size that is to go.

    modprobe reads them anew at each call, so that reloading helps only after the
    next boot. That holds for a good size, too, if `--size` asks for another.
    """
    now = facts[KvmfrSettings].now
    if not any(option.on_command_line for option in now.given):
        return False
    return bool(now.problems or (facts.options.size_mib and tuple(_size(facts))))


def _not_kept_out(facts: Facts) -> None:
    by = facts[KvmfrSettings].kept_out_by
    if isinstance(by, str | Message):
        raise CannotFix(
            say(
                "load-kvmfr-kept-out",
                "kvmfr is kept out by {keeper}; take that out first",
                keeper=by,
            )
        )


class LoadKvmfrNow(Fix):
    """Loads the kvmfr module, and gives it a size if it has none.

    The size is that of the largest connected output by the larger of the two
    Looking Glass formulas, or what `--size` says. If a kernel argument gives the size,
    a new one counts from the next boot on.
    """

    id = "load-kvmfr"
    solves = ("kvmfr-module-not-loaded",)
    summary = "Load the kvmfr module"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the size, and the loading."""
        _not_kept_out(facts)
        changes = tuple(_size(facts))
        yield from _near_the_limit(facts, changes)
        yield from changes
        if not any(isinstance(change, KernelArguments) for change in changes):
            yield LoadModule(MODULE)
            return
        loads, mib = not facts[KvmfrSettings].now.errors, facts[KvmfrSize].mib
        if loads:
            yield LoadModule(MODULE)
        yield Terms((LATER if loads else AT_NEXT_BOOT).filled(mib=mib), reboot=True)


class LoadKvmfrAtBoot(Fix):
    """Names kvmfr in `/etc/modules-load.d/kvmfr.conf`.

    No hardware of the host asks for the module, so nothing else loads it. If a line in
    /etc names it together with options or a comment, that line is cut down to the
    name.
    """

    id = "load-kvmfr-at-boot"
    solves = ("kvmfr-not-loaded-at-boot",)
    summary = "Have kvmfr loaded at every boot"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the list's line, and a size if there is none."""
        match finding.place:
            case ModulePlace(_, release) if release:
                raise CannotFix(
                    say(
                        "load-kvmfr-no-module",
                        "kernel {release} has no kvmfr module to load",
                        release=release,
                    )
                )
        _not_kept_out(facts)
        facts[Generated].refuse()
        yield from _size(facts)
        yield from _listed(facts)


def _listed(facts: Facts) -> Iterator[EditLine]:
    """Yield the line; one of the administrator's that says more is cut down to it."""
    notes = facts[KvmfrSettings].about("modules-load")
    more = [n for n in notes if n.is_more_than(MODULE) and n.path.startswith("/etc/")]
    for note in more[:1]:
        # As it stands in the file: systemd ignores blanks around a name.
        yield EditLine(note.path, note.text, MODULE)
    if not more:
        yield EditLine(LIST_FILE, "", MODULE)


class SizeKvmfr(Fix):
    """Gives the kvmfr module a size in modprobe.d, and reloads it.

    `/etc/modprobe.d/kvmfr.conf` gets the option, or the line that has one is
    edited. The module is reloaded only if nothing has its device open. If the
    device works now, it keeps its size and nothing is reloaded, unless `--size` asks
    for another one. In a list of sizes those that are good stay. If the initramfs loads
    kvmfr, its images are made anew, and read back.
    """

    id = "size-kvmfr"
    solves = ("kvmfr-no-device",)
    summary = "Set static_size_mb for kvmfr, and reload it if it has no device"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the size and the reload."""
        _by_argument(finding, facts)
        changes, asked = tuple(_size(facts)), facts.options.size_mib
        works = _are_all_good(facts)
        rebuild = facts[InitramfsModules].rebuild(MODULE)
        if works and not changes and rebuild:
            raise CannotFix(IN_IMAGE.filled(source=rebuild[0], command=rebuild[1]))
        reload = LoadModule(MODULE, reload=True)
        if works and not changes and _vm_waits(facts):
            yield from _near_the_limit(facts, (reload,))
            yield Terms(ONLY_RELOAD)
            yield reload
            return
        wanted, vm = wanted_by_vm(facts)
        if works and not changes and wanted:
            raise CannotFix(THIRD.filled(mib=works, vm=vm, wanted=wanted))
        if works and not changes:
            raise CannotFix(WORKS.filled(mib=works))
        yield from _near_the_limit(facts, changes)
        if works and asked:
            yield Terms(summary=RELOADS.filled(mib=asked, now=works))
        yield from changes
        if works and not asked:
            yield Terms(ONLY_SIZE)
            return
        yield reload
        if not changes:
            yield Terms(ONLY_RELOAD)


def _by_argument(finding: Finding, facts: Facts) -> None:
    """Raise `CannotFix` if no file of modprobe.d decides, but an argument or a host."""
    if facts[LookingGlassGuest].address and finding.who_acts is Actor.USER:
        raise CannotFix(OF_GUEST)
    if _on_running_line(facts):
        raise CannotFix(ON_LINE)
    if facts[KvmfrSettings].built_in:
        raise CannotFix(BUILT_IN)


class SizeKvmfrAtBoot(Fix):
    """Gives the kvmfr module a size if the kernel command line gives the wrong one.

    That value beats modprobe.d, so it is the one that is edited. It counts from
    the next boot on.
    """

    id = "size-kvmfr-at-boot"
    solves = ("kvmfr-no-device",)
    summary = "Set kvmfr.static_size_mb for the next boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the size alone; nothing if the command line does not give it."""
        if not _on_running_line(facts):
            return
        changes = tuple(_size(facts))
        if not changes:
            raise CannotFix(
                say(
                    "size-kvmfr-good-at-next-boot",
                    "the next boot's arguments have a good size: reboot",
                )
            )
        yield from changes


def _is_absent(facts: Facts) -> bool:
    """Tell whether there is no module that could be loaded."""
    running = facts[KvmfrFile].running
    absent = isinstance(running, Missing) and running.why is Why.ABSENT
    return absent and not facts[KvmfrLoaded].loaded


class RemoveStrayKvmfrFile(Fix):
    """Removes the regular file that stands where the kvmfr device belongs.

    QEMU leaves it when a VM starts before the module is loaded. Nothing is done
    while a program has it open. If there is a module for the running kernel, it is
    then reloaded, which makes the real device.
    """

    id = "remove-stray-kvmfr-file"
    solves = ("kvmfr-node-not-a-device",)
    summary = "Remove the stray file and reload kvmfr"

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change | Terms]:
        """Yield the removal and, if there is a module, the reload."""
        match finding.place:
            case NodePlace(path):
                yield DeleteFile(path, NO_DEVICE)
                if _is_absent(facts):
                    yield Terms(ONLY_STRAY)
                else:
                    yield LoadModule(MODULE, reload=True)
            case place:
                raise CannotFix(
                    say(
                        "remove-stray-kvmfr-not-in-dev",
                        "{place} is not a path in /dev",
                        place=str(place),
                    )
                )
