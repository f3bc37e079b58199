"""Check of the kvmfr devices that the module makes, and of their size."""

from __future__ import annotations

from vfio_doctor.api import (
    FIRST_NODE,
    KERNEL_LOG,
    MIB,
    MODPROBE_FILE,
    PARAMETER,
    WANTED_SIZE,
    Actor,
    Check,
    Conclusion,
    Evidence,
    Facts,
    Finding,
    Generated,
    InitramfsModules,
    Iterator,
    KernelMessages,
    Kind,
    KvmfrIntent,
    KvmfrLoaded,
    KvmfrNodes,
    KvmfrSettings,
    KvmfrSizes,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    ModuleOption,
    ModulePlace,
    NodePlace,
    NotApplicable,
    Severity,
    SizeSetting,
    Stat,
    Why,
    in_order,
    known,
    kvmfr_refused,
    say,
    size_by_hand,
    wanted_by_vm,
)

MODULE = ModulePlace("kvmfr")
RELOAD = say(
    "kvmfr-size-reload",
    "With every virtual machine off, run `sudo modprobe -r kvmfr` and"
    " `sudo modprobe kvmfr`.",
)
IN_MIB = say("kvmfr-size-in-mib", "{mib} MiB")
OLD_OPTIONS = say(
    "kvmfr-size-image-options", "the image holds modprobe.d as it was when it was made"
)
REBUILD = say(
    "kvmfr-size-rebuild-image",
    "{source} has the initramfs load kvmfr, with the options that modprobe.d had when"
    " the image was made. If the size that is set now is the right one, run"
    " `{command}` and reboot the computer.",
)
SIZE_IN_GUEST = say(
    "kvmfr-size-in-guest",
    "This guest gets its device from the PCI device {address}. The size that is set"
    " makes another one, which takes the name kvmfr0: the client then opens memory"
    " that no host has.",
)
TAKE_SIZE_OUT = say(
    "kvmfr-size-take-out",
    "Take static_size_mb out of {source}, and reboot.",
)
VM_WAITS = say(
    "kvmfr-size-vm-waits", "{vm} maps {then}, and does not start before that."
)
VM_CANNOT = say("kvmfr-size-vm-cannot", "{vm} maps {then}, and does not start.")
VM_STOPS = say("kvmfr-size-vm-stops", "{vm} maps {now}, and does not start then.")
VM_MAPS = say("kvmfr-size-vm-maps", "{vm} maps {mib} MiB.")
REBOOT = say("kvmfr-size-reboot", "Reboot the computer.")
# What a size answer is: bytes, or why there is none.
Answer = int | Missing
Answers = tuple[tuple[str, Answer], ...]


class KvmfrNoDevice(Check):
    """The kvmfr module is loaded but has no device that can be used.

    What it does:
    Checks whether the loaded module has a device in /sys/class/kvmfr, asks each
    device for its size, and reads from modprobe.d and the kernel arguments which
    size it is given: now and at the next boot. A kernel argument wins over
    modprobe.d. With `--fix --size`, another size than that is a finding too.

    Why is this bad?
    Without a size in MiB (static_size_mb) the module loads and makes nothing, so
    there is no /dev/kvmfr0. QEMU stops with an error on a size that is not a
    power of two. The size in the VM definition must be the same.

    How it is repaired:
    The size is written to the place that counts, and the module is loaded again
    while no virtual machine uses it.

    See it yourself:
        ls /sys/class/kvmfr
        grep -r kvmfr /etc/modprobe.d; cat /proc/cmdline
        sudo dmesg | grep 'static devices'

    False alarms:
    In a virtual machine that gets its device from the PCI device 1af4:1110 no size
    is asked for, and one that is set is a finding: the host made the memory. The
    parameter cannot be read back from /sys: the module hides it.
    """

    id = "kvmfr-no-device"
    severity = Severity.ERROR
    title = "kvmfr has no usable device"
    requires = ("kvmfr-module-not-loaded",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if there is no device, or will be none or a bad one."""
        facts[KvmfrIntent].demand()
        module = facts[KvmfrLoaded]
        if not module.loaded:
            raise NotApplicable(
                say("kvmfr-size-not-loaded", "the kvmfr module is not loaded")
            )
        if not module.devices:
            yield _no_device(facts)
            return
        answers = _answers(facts)
        for path, answer in answers:
            if answer == 0 or kvmfr_refused(answer):
                yield _useless(path, answer)
        if guest := facts[LookingGlassGuest].address:
            yield from _in_a_guest(facts, guest)
        else:
            yield from _as_set(facts, answers)
        for _, answer in answers:
            if not kvmfr_refused(answer):
                known(answer)


def _in_a_guest(facts: Facts, address: str) -> Iterator[Finding]:
    """Yield that a size is set: the module makes that device before the PCI one."""
    settings = facts[KvmfrSettings]
    option = settings.following.option
    if option is None or not settings.following.sizes.mib:
        return
    advice = TAKE_SIZE_OUT.filled(source=option.source)
    rows = _sources(settings, settings.following)
    message = SIZE_IN_GUEST.filled(address=address)
    yield Finding(MODULE, message, rows, Severity.WARNING, advice, Actor.USER)


def _as_set(facts: Facts, answers: Answers) -> Iterator[Finding]:
    """Yield what is wrong with the size that is set, or with devices that differ."""
    following = facts[KvmfrSettings].following
    if following.problems:
        yield _at_next_boot(facts, following)
    elif _is_other_asked(facts, following):
        yield _other_asked(facts, following)
    else:
        yield from _other_sizes(facts, answers)


def _is_other_asked(facts: Facts, following: SizeSetting) -> bool:
    # Of several devices nobody has said which is meant.
    asked = facts.options.size_mib
    return (
        asked > 0 and len(following.sizes.mib) == 1 and asked not in following.sizes.mib
    )


def _other_asked(facts: Facts, following: SizeSetting) -> Finding:
    """Return what `--size` asks for: the repair then does it."""
    return Finding(
        MODULE,
        say(
            "kvmfr-size-other-than-asked",
            "kvmfr is set to {mib} MiB, and {asked} MiB are asked for.",
            mib=following.sizes.mib[0],
            asked=facts.options.size_mib,
        ),
        _sources(facts[KvmfrSettings], following),
        Severity.WARNING,
        say(
            "kvmfr-size-same-in-vm",
            "The VM definition has to name the same size, in bytes.",
        ),
        Actor.TOOL,
    )


def _answers(facts: Facts) -> tuple[tuple[str, Answer], ...]:
    """Return the size of each device node.

    If /dev has nothing, or something that is no device node, that is left out:
    kvmfr-node-not-a-device judges it. Raises `MissingFact` if the nodes cannot be
    listed.
    """
    stats = {node.path: node.stat for node in facts[KvmfrNodes].nodes}
    return tuple(
        (path, answer)
        for path, answer in facts[KvmfrSizes].sizes
        if _may_be_device(stats[path])
    )


def _may_be_device(stat: Stat | Missing) -> bool:
    if isinstance(stat, Missing):
        return stat.why is not Why.ABSENT
    return stat.kind is Kind.CHAR


def _useless(path: str, answer: Answer) -> Finding:
    said = say("kvmfr-size-zero", "size 0")
    if isinstance(answer, Missing):
        said = say("kvmfr-size-answer", "{answer}", answer=answer.detail)
    wanted = say("kvmfr-size-above-zero", "a size above 0")
    return Finding(
        NodePlace(path),
        say(
            "kvmfr-size-useless",
            "{path} is there and cannot be used: asked for its size, it says {said}.",
            path=path,
            said=said,
        ),
        (Evidence(f"probe kvmfr-size of {path}", said, wanted),),
        advice=in_order(
            RELOAD,
            say(
                "kvmfr-size-then-reboot",
                "If that does not help, reboot, then look into"
                " `sudo dmesg | grep kvmfr`.",
            ),
        ),
    )


def _other_sizes(
    facts: Facts, answers: tuple[tuple[str, Answer], ...]
) -> Iterator[Finding]:
    """Yield a finding a device whose size is not the one that is set."""
    settings = facts[KvmfrSettings]
    for path, answer in answers:
        if isinstance(answer, int) and answer:
            mib = _set_for(path, settings.following)
            if answer != mib * MIB:
                found = _other_size(path, answer, mib, settings)
                found = _by_image(facts[InitramfsModules], found)
                yield _by_vm(facts, found, answer, mib)


def _by_image(images: InitramfsModules, found: Finding) -> Finding:
    """Return the finding with what to do if the initramfs loads the module."""
    rebuild = images.rebuild("kvmfr")
    if rebuild is None:
        return found
    source, command = rebuild
    row = Evidence(source, "kvmfr", OLD_OPTIONS)
    advice = REBUILD.filled(source=source, command=command)
    return found._replace(evidence=(*found.evidence, row), advice=advice)


def _by_vm(facts: Facts, found: Finding, held: int, mib: int) -> Finding:
    """Return the finding with what the VM needs, if it is one of the two sizes."""
    wanted, vm = wanted_by_vm(facts)
    first = found.place == NodePlace(FIRST_NODE)
    if not first or not wanted:
        return found
    severity, said = found.severity, VM_MAPS.filled(vm=vm, mib=wanted)
    if held < wanted * MIB:
        severity = Severity.ERROR
        said = VM_WAITS if mib >= wanted else VM_CANNOT
        said = said.filled(vm=vm, then=IN_MIB.filled(mib=wanted))
    elif mib < wanted:
        said = VM_STOPS.filled(vm=vm, now=IN_MIB.filled(mib=wanted))
    advice, again = found.advice, RELOAD
    if facts[KvmfrSettings].built_in:
        again = REBOOT
    if held == wanted * MIB:
        advice = size_by_hand(facts)
    elif mib != wanted:
        advice = in_order(size_by_hand(facts), again)
    elif facts[InitramfsModules].rebuild("kvmfr") is None:
        reloads = facts[KvmfrSettings].now.sizes.mib[:1] == (wanted,)
        advice = again if reloads else REBOOT
    message = in_order(found.message, said)
    return found._replace(message=message, severity=severity, advice=advice)


def _set_for(path: str, setting: SizeSetting) -> int:
    """Return the MiB for a device, the Nth value for the Nth; 0 if none."""
    number = path.removeprefix("/dev/kvmfr")
    by_name = {str(index): mib for index, mib in enumerate(setting.sizes.mib)}
    return by_name.get(number, 0)


def _other_size(path: str, size: int, mib: int, settings: KvmfrSettings) -> Finding:
    now = IN_MIB.filled(mib=size // MIB)
    if size % MIB:
        now = say("kvmfr-size-in-bytes", "{size} bytes", size=size)
    then = IN_MIB.filled(mib=mib)
    if not mib:
        then = say("kvmfr-size-no-such-device", "no such device")
    option = settings.following.option
    source = option.source if option else MODPROBE_FILE
    reloads = size != _set_for(path, settings.now) * MIB and not settings.built_in
    message = say(
        "kvmfr-size-other-at-next-boot",
        "{path} has {now} now, and what is set gives {then} at the next boot.",
    )
    if reloads:
        message = say(
            "kvmfr-size-other-when-loaded",
            "{path} has {now} now, and what is set gives {then} when kvmfr is loaded"
            " next.",
        )
    return Finding(
        NodePlace(path),
        message.filled(path=path, now=now, then=then),
        (
            Evidence(f"probe kvmfr-size of {path}", now, then),
            *_sources(settings, settings.following),
        ),
        Severity.WARNING,
        _choose(path, source, then if mib else None, reloads),
    )


def _choose(
    path: str, source: str | Message, then: Message | None, reloads: bool
) -> Message:
    """Return how to come to the size that is wanted; ``then`` None: to the device."""
    if then is None:
        return say(
            "kvmfr-size-keep-device",
            "If a virtual machine is to keep {path}, give static_size_mb in {source} a"
            " size for each device, with commas between. If none uses it, leave all as"
            " it is.",
            path=path,
            source=source,
        )
    advice = say(
        "kvmfr-size-choose-and-reboot",
        "Write the size that you want into the VM definition. If that is {then},"
        " reboot; if not, change static_size_mb in {source}.",
    )
    if reloads:
        advice = say(
            "kvmfr-size-choose-and-reload",
            "Write the size that you want into the VM definition. If that is {then},"
            " run `sudo modprobe -r kvmfr` and `sudo modprobe kvmfr` with every virtual"
            " machine off; if not, change static_size_mb in {source}.",
        )
    return advice.filled(then=then, source=source)


def _no_device(facts: Facts) -> Finding:
    why, rows = _why_none(facts)
    empty = say("kvmfr-size-empty", "empty")
    return Finding(
        MODULE,
        say(
            "kvmfr-size-no-device",
            "kvmfr is loaded and has made no device: {why}.",
            why=why,
        ),
        (Evidence("/sys/class/kvmfr", empty, "kvmfr0"), *rows, *_log(facts)),
        advice=_by_hand(facts),
        who_acts=Actor.TOOL,
    )


def _by_hand(facts: Facts) -> Message:
    """Return how there is a device: a size, if none is set right, and a new start."""
    again: Message | None = None if facts[Generated].yes else RELOAD
    try:
        settings = facts[KvmfrSettings]
        if settings.built_in:
            return REBOOT if not settings.following.errors else size_by_hand(facts)
        if not settings.now.errors:
            return RELOAD
    except MissingFact:
        pass
    return in_order(size_by_hand(facts), again)


def _why_none(
    facts: Facts,
) -> tuple[Message | tuple[Message, ...], tuple[Evidence, ...]]:
    """Return why there is no device, and the evidence for it."""
    try:
        settings = facts[KvmfrSettings]
    except MissingFact as missing:
        unread = say("kvmfr-size-settings-unread", "the settings cannot be read")
        source = say("kvmfr-size-settings", "settings")
        return unread, (Evidence(source, missing.message),)
    late = say("kvmfr-size-set-late", "its size was set after it was loaded")
    return settings.now.errors or late, _sources(settings, settings.now)


def _at_next_boot(facts: Facts, setting: SizeSetting) -> Finding:
    message = say(
        "kvmfr-size-will-not-do",
        "The size given to kvmfr will not do: {why}.",
        why=setting.problems,
    )
    if setting.errors:
        message = say(
            "kvmfr-size-none-at-next-boot",
            "kvmfr works now, but the next boot makes no device: {why}.",
            why=setting.problems,
        )
    return Finding(
        MODULE,
        message,
        _sources(facts[KvmfrSettings], setting),
        Severity.WARNING,
        size_by_hand(facts),
        Actor.TOOL,
    )


def _sources(settings: KvmfrSettings, setting: SizeSetting) -> tuple[Evidence, ...]:
    """Return every place that says something of the size, the winner first."""
    if setting.option:
        option = setting.option
        rows = [Evidence(option.source, _given(option), WANTED_SIZE)]
    else:
        source = say("kvmfr-size-sources", "modprobe.d, kernel arguments")
        nothing = say("kvmfr-size-nothing-given", "no size")
        rows = [Evidence(source, nothing, WANTED_SIZE)]
    for option in setting.beaten:
        lost = say(
            "kvmfr-size-lost", "{option} (a later one wins)", option=_given(option)
        )
        rows.append(Evidence(option.source, lost))
    alone = say("kvmfr-size-only-option", "static_size_mb: kvmfr has nothing else")
    for name, option in settings.foreign:
        rows.append(Evidence(option.source, _given(option, name), alone))
    unread = settings.about("modprobe")
    return (*rows, *(Evidence(str(note.place), note.said) for note in unread))


def _given(option: ModuleOption, name: str = PARAMETER) -> str:
    return name if option.value is None else f"{name}={option.value}"


def _log(facts: Facts) -> tuple[Evidence, ...]:
    try:
        log = facts[KernelMessages].log
    except MissingFact:
        return ()
    telling = (
        Conclusion.NO_KVMFR_DEVICE,
        Conclusion.UNKNOWN_PARAMETER,
        Conclusion.BAD_PARAMETER,
        Conclusion.KVMFR_MEMORY,
    )
    found = log.of(*telling, module="kvmfr")
    return tuple(Evidence(KERNEL_LOG, match.line) for match in found)
