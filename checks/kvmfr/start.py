"""Checks of how kvmfr starts: at boot, and with a size."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    Conclusion,
    Evidence,
    Facts,
    Finding,
    InitramfsModules,
    Iterator,
    KernelMessages,
    Kind,
    KvmfrFile,
    KvmfrIntent,
    KvmfrLoaded,
    KvmfrNodes,
    KvmfrSettings,
    KvmfrSize,
    KvmfrSizes,
    LoadedModules,
    Missing,
    MissingFact,
    ModuleConfig,
    NotApplicable,
    Note,
    Severity,
    SizeSetting,
    Stat,
    Why,
    known,
    old_finding,
)

LIST = "/etc/modules-load.d/kvmfr.conf"
OPTIONS = "/etc/modprobe.d/kvmfr.conf"
WHY_NOT_READ = {
    "wrong-directory": "nothing reads files in this folder",
    "wrong-suffix": "only files whose name ends in .conf are read",
    "nothing-in-force": "the file holds comments only",
    "commented-out": "the line is a comment",
    "unknown-directive": "modprobe skips the line: it knows no such word",
    "missing-words": "modprobe skips the line: words are missing",
    "not-read-any-more": "modprobe no longer reads such lines",
    "stray-quote": "a quote is opened and not closed",
    "trailing-comment": "a comment needs a line of its own",
    "kernel-parameter-in-module-list": "only names of modules belong here",
    "several-words": "one module a line, and no options",
}


class KvmfrNotLoadedAtBoot(Check):
    """Nothing loads the kvmfr module when this host starts.

    What it does:
    Looks in modules-load.d, in the kernel arguments of the next boot, in the
    softdep lines of modprobe.d and in the configuration of the initramfs for
    something that loads kvmfr, for a blacklist that keeps it out, and whether the
    next kernel has the module.

    Why is this bad?
    No hardware asks for this module, so it is never loaded by itself. Looking
    Glass works until the next restart and then finds no /dev/kvmfr0.

    How it is repaired:
    The file /etc/modules-load.d/kvmfr.conf is written, with the one word kvmfr.

    See it yourself:
        grep -r kvmfr /etc/modules-load.d /usr/lib/modules-load.d
        systemctl status systemd-modules-load

    False alarms:
    The doctor does not look into services and libvirt hooks of your own. If one
    of these loads kvmfr, use --skip kvmfr-not-loaded-at-boot.
    """

    id = "kvmfr-not-loaded-at-boot"
    severity = Severity.WARNING
    title = "Nothing loads kvmfr at boot"
    requires = ("kvmfr-module-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield findings on what the next boot will not do."""
        facts[KvmfrIntent].demand()
        file = facts[KvmfrFile]
        if file.next_release != file.release and _is_absent(file.following):
            yield _next_lacks_it(file)
        settings = facts[KvmfrSettings]
        if not _loader(facts):
            yield _nothing_loads(settings)
        elif keeper := known(settings.kept_out_by):
            yield _kept_out(keeper)


def _is_absent(reading: str | Missing) -> bool:
    return isinstance(reading, Missing) and reading.why is Why.ABSENT


def _loader(facts: Facts) -> str:
    """Return what loads the module at boot, or ""."""
    for module, source in facts[ModuleConfig].pulled_in_by("kvmfr"):
        try:
            if facts[LoadedModules].has(module):
                return source
        except MissingFact:
            continue
    early = facts[InitramfsModules].source("kvmfr")
    return early or known(facts[KvmfrSettings].loaded_by) or ""


def _next_lacks_it(file: KvmfrFile) -> Finding:
    release = str(file.next_release)
    return old_finding(
        f"kernel {release}",
        "The next boot starts kernel {release}, which has no kvmfr module.",
        (("release", release),),
        (
            Evidence(f"/lib/modules/{release}", "no kvmfr.ko", "kvmfr.ko"),
            Evidence(f"/lib/modules/{file.release}", "kvmfr.ko is here"),
        ),
        None,
        f"Before you restart, build it with `sudo dkms autoinstall -k {release}`, or"
        " choose the present kernel in the boot menu.",
    )


def _nothing_loads(settings: KvmfrSettings) -> Finding:
    searched = "modules-load.d, kernel arguments"
    return old_finding(
        "kvmfr",
        "Nothing loads kvmfr at boot, so /dev/kvmfr0 is gone after a restart.",
        (),
        (
            Evidence(searched, "no entry for kvmfr", "kvmfr"),
            *_unread(settings, "modules-load"),
        ),
        None,
        f"Run `echo kvmfr | sudo tee {LIST}`.",
        Actor.TOOL,
    )


def _kept_out(keeper: str) -> Finding:
    return old_finding(
        "kvmfr",
        "kvmfr is in the list of modules to load, and {keeper} keeps it out.",
        (("keeper", keeper),),
        (Evidence(keeper, "kvmfr is not to be loaded", "no such entry"),),
        None,
        f"Remove what {keeper} says of kvmfr, then run `sudo modprobe kvmfr`.",
    )


class KvmfrNoDevice(Check):
    """The kvmfr module is loaded but has no device that can be used.

    What it does:
    Looks whether the loaded module has a device in /sys/class/kvmfr, asks each
    device for its size, and reads from modprobe.d and the kernel arguments which
    size it is given: now and at the next boot. A kernel argument wins over
    modprobe.d.

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
    None are known. The parameter cannot be read back from /sys: the module hides
    it.
    """

    id = "kvmfr-no-device"
    severity = Severity.ERROR
    title = "kvmfr has no usable device"
    requires = ("kvmfr-module-not-loaded",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where there is no device, or will be none or a bad one."""
        facts[KvmfrIntent].demand()
        module = facts[KvmfrLoaded]
        if not module.loaded:
            raise NotApplicable("the kvmfr module is not loaded")
        if not module.devices:
            yield _no_device(facts)
            return
        answers = _answers(facts)
        for path, answer in answers:
            if answer == 0 or _refused(answer):
                yield _useless(path, answer)
        following = facts[KvmfrSettings].following
        if following.errors:
            yield _none_at_next_boot(facts, following)
        elif following.sizes.doubts:
            yield _doubtful(facts, following)
        else:
            yield from _other_sizes(facts, answers)
        for _, answer in answers:
            if not _refused(answer):
                known(answer)


def _answers(facts: Facts) -> tuple[tuple[str, int | Missing], ...]:
    """Return the size of each device node.

    Where /dev has nothing, or something that is no device node, that is left out:
    kvmfr-node-not-a-device judges it. Raises `MissingFact` where the nodes cannot
    be listed.
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


def _refused(answer: int | Missing) -> bool:
    """Tell whether the driver itself answered with an error."""
    return isinstance(answer, Missing) and answer.why is Why.FAILED


def _useless(path: str, answer: int | Missing) -> Finding:
    said = "size 0" if answer == 0 else str(getattr(answer, "detail", "no answer"))
    return old_finding(
        path,
        "{path} is there and cannot be used: asked for its size, it says {said}.",
        (("path", path), ("said", said)),
        (Evidence(f"probe kvmfr-size of {path}", said, "a size above 0"),),
        None,
        "With every virtual machine off, run `sudo modprobe -r kvmfr` and"
        " `sudo modprobe kvmfr`. If that does not help, restart, then look into"
        " `sudo dmesg | grep kvmfr`.",
    )


def _other_sizes(
    facts: Facts, answers: tuple[tuple[str, int | Missing], ...]
) -> Iterator[Finding]:
    """Yield a finding a device whose size is not the one that is set."""
    settings = facts[KvmfrSettings]
    for path, answer in answers:
        if isinstance(answer, int) and answer:
            mib = _set_for(path, settings.following)
            if answer != mib << 20:
                yield _other_size(path, answer, mib, settings)


def _set_for(path: str, setting: SizeSetting) -> int:
    """Return the MiB for a device, the Nth value for the Nth; 0 where none."""
    number = path.removeprefix("/dev/kvmfr")
    by_name = {str(index): mib for index, mib in enumerate(setting.sizes.mib)}
    return by_name.get(number, 0)


def _other_size(path: str, size: int, mib: int, settings: KvmfrSettings) -> Finding:
    now = f"{size >> 20} MiB" if size % (1 << 20) == 0 else f"{size} bytes"
    then = f"{mib} MiB" if mib else "no such device"
    when = "when kvmfr is loaded next"
    act = "with every virtual machine off, run `sudo modprobe -r kvmfr` and"
    act += " `sudo modprobe kvmfr`"
    if size == _set_for(path, settings.now) << 20:
        when, act = "at the next boot", "restart the computer"
    option = settings.following.option
    return old_finding(
        path,
        "{path} has {now} now, and what is set gives {then} {when}.",
        (("path", path), ("now", now), ("then", then), ("when", when)),
        (
            Evidence(f"probe kvmfr-size of {path}", now, then),
            *_sources(settings, settings.following),
        ),
        Severity.WARNING,
        f"Write the size that you want into the VM definition. If that is {then},"
        f" {act}; if not, change static_size_mb in {option and option.source}.",
    )


def _no_device(facts: Facts) -> Finding:
    try:
        settings = facts[KvmfrSettings]
    except MissingFact as missing:
        why = "the settings cannot be read"
        rows: tuple[Evidence, ...] = (Evidence("settings", str(missing)),)
    else:
        why, rows = _why(settings.now), _sources(settings, settings.now)
    return old_finding(
        "kvmfr",
        "kvmfr is loaded and has made no device: {why}.",
        (("why", why),),
        (
            Evidence("/sys/class/kvmfr", "empty", "kvmfr0"),
            *rows,
            *_log(facts),
        ),
        None,
        _set_size(facts) + " Then, with every virtual machine off, run"
        " `sudo modprobe -r kvmfr` and `sudo modprobe kvmfr`.",
        Actor.TOOL,
    )


def _why(setting: SizeSetting) -> str:
    if setting.errors:
        return "; ".join(setting.errors)
    return "its size was set after it was loaded"


def _none_at_next_boot(facts: Facts, setting: SizeSetting) -> Finding:
    return old_finding(
        "kvmfr",
        "kvmfr works now, but the next boot makes no device: {why}.",
        (("why", _why(setting)),),
        _sources(facts[KvmfrSettings], setting),
        Severity.WARNING,
        _set_size(facts),
        Actor.TOOL,
    )


def _doubtful(facts: Facts, setting: SizeSetting) -> Finding:
    return old_finding(
        "kvmfr",
        "The size given to kvmfr will not do: {why}.",
        (("why", "; ".join(setting.sizes.doubts)),),
        _sources(facts[KvmfrSettings], setting),
        Severity.WARNING,
        _set_size(facts),
        Actor.TOOL,
    )


def _sources(settings: KvmfrSettings, setting: SizeSetting) -> tuple[Evidence, ...]:
    """Return every place that says something of the size, the winner first."""
    wanted = "a power of two from 32 to 1024"
    rows = []
    if setting.option:
        value, source = setting.option
        rows.append(Evidence(source, f"static_size_mb={value}", wanted))
    else:
        rows.append(Evidence("modprobe.d, kernel arguments", "no size", wanted))
    for value, source in setting.beaten:
        rows.append(Evidence(source, f"static_size_mb={value} (a later one wins)"))
    for name, (value, source) in settings.foreign:
        seen = name if value is None else f"{name}={value}"
        rows.append(Evidence(source, seen, "static_size_mb: kvmfr has nothing else"))
    return (*rows, *_unread(settings, "modprobe"))


def _unread(settings: KvmfrSettings, family: str) -> Iterator[Evidence]:
    """Yield what seems meant for kvmfr in one family of folders and is not read."""
    for note in settings.notes:
        if f"/{family}" in note.path:
            yield Evidence(_place(note), WHY_NOT_READ.get(note.kind, note.kind))


def _place(note: Note) -> str:
    return f"{note.path}:{note.line}" if note.line else note.path


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
    return tuple(Evidence("kernel log", match.line) for match in found)


def _set_size(facts: Facts) -> str:
    """Return the command that sets the size in the place that counts."""
    mib, why = facts[KvmfrSize]
    try:
        option = facts[KvmfrSettings].following.option
    except MissingFact:
        option = None
    if option and option.source == "kernel command line":
        return (
            f"Change the kernel argument to kvmfr.static_size_mb={mib} ({why}): it"
            " wins over modprobe.d."
        )
    line = f"options kvmfr static_size_mb={mib}"
    return f"Run `echo '{line}' | sudo tee {OPTIONS}` ({why})."
