"""Check of what loads kvmfr at boot."""

from __future__ import annotations

from vfio_doctor.api import (
    LIST_FILE,
    NO_KVMFR_FILE,
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    Generated,
    InitramfsModules,
    Iterator,
    KvmfrFile,
    KvmfrIntent,
    KvmfrSettings,
    LoadedModules,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    ModuleConfig,
    ModulePlace,
    Note,
    OwnLoading,
    Severity,
    Why,
    in_order,
    known,
    let_in,
    say,
)

THEN_LOAD = say("kvmfr-start-then-load", "Then run `sudo modprobe kvmfr`.")
ONE_NAME = say(
    "kvmfr-start-one-name",
    "{place} says `{line}`: systemd takes the whole line for the name of a module,"
    " and there is none of that name. Nothing loads kvmfr at boot.",
)
ONLY_NAME = say(
    "kvmfr-start-only-name",
    "Leave only the word kvmfr in that line of {path}: a module's options and comments"
    " have no place there.",
)
NAME_AND_SIZE = say(
    "kvmfr-start-name-and-options",
    "Leave only the word kvmfr in that line of {path}, and put the rest in modprobe.d:"
    " `echo {options} | sudo tee -a /etc/modprobe.d/kvmfr.conf`.",
)


class KvmfrNotLoadedAtBoot(Check):
    """Nothing loads the kvmfr module when this host starts.

    What it does:
    Looks in modules-load.d, in the kernel arguments of the next boot, in the
    softdep lines of modprobe.d and in the configuration of the initramfs for
    something that loads kvmfr, for a blacklist that keeps it out, and whether the
    next kernel has the module. A line of modules-load.d that has more than the name
    loads nothing.

    Why is this bad?
    No hardware asks for this module, so it is never loaded by itself. Looking
    Glass works until the next reboot and then finds no /dev/kvmfr0.

    How it is repaired:
    The file /etc/modules-load.d/kvmfr.conf is written, with the one word kvmfr. A line
    below /etc that says more than that word is cut down to it.

    See it yourself:
        grep -r kvmfr /etc/modules-load.d /usr/lib/modules-load.d
        systemctl status systemd-modules-load

    False alarms:
    A line `modprobe kvmfr` in a service or libvirt hook of your own, in /etc/rc.local
    or in Unraid's /boot/config/go counts as loading it; other programs are not seen,
    nor is the initrd of NixOS, where the doctor cannot tell. If one of these loads
    kvmfr, use --skip kvmfr-not-loaded-at-boot. In a guest that gets the memory as a
    PCI device, udev loads the module for that device: nothing is said there.
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
        if not _is_loaded(facts):
            facts[Generated].may_load_early()
            yield _nothing_loads(settings)
        elif keeper := known(settings.kept_out_by):
            yield _kept_out(keeper)


def _is_absent(reading: str | Missing | MissingFact) -> bool:
    return isinstance(reading, Missing) and reading.why is Why.ABSENT


def _is_loaded(facts: Facts) -> bool:
    """Tell whether something loads the module at boot.

    Raises `MissingFact` if nothing is seen to, and something could not be seen.
    """
    if known(facts[KvmfrSettings].loaded_by):
        return True
    if facts[InitramfsModules].source("kvmfr") or facts[OwnLoading].paths:
        return True
    if facts[LookingGlassGuest].address:
        return True
    pulling = facts[ModuleConfig].pulled_in_by("kvmfr")
    return any(facts[LoadedModules].has(module) for module, _ in pulling)


def _next_lacks_it(file: KvmfrFile) -> Finding:
    release = str(file.next_release)
    return Finding(
        ModulePlace("kvmfr", release),
        say(
            "kvmfr-start-next-kernel",
            "The next boot starts kernel {release}, which has no kvmfr module.",
            release=release,
        ),
        (
            Evidence(f"/lib/modules/{release}", NO_KVMFR_FILE, "kvmfr.ko"),
            Evidence(f"/lib/modules/{file.release}", "kvmfr.ko"),
        ),
        advice=say(
            "kvmfr-start-build-it",
            "Before you reboot, build it with `sudo dkms autoinstall -k {release}`, or"
            " choose the present kernel in the boot menu.",
            release=release,
        ),
    )


def _as_one_name(settings: KvmfrSettings) -> Note | None:
    """Return the first line that names kvmfr and more than its name."""
    lines = (
        note for note in settings.about("modules-load") if note.is_more_than("kvmfr")
    )
    return next(lines, None)


def _one_name(note: Note, settings: KvmfrSettings) -> Finding:
    """Return that a line is taken whole for the name of a module."""
    advice = ONLY_NAME.filled(path=note.path)
    words = note.text.split()[1:]
    if any("=" in word for word in words) and not settings.following.given:
        advice = NAME_AND_SIZE.filled(
            path=note.path, options=f"options kvmfr {' '.join(words)}"
        )
    rows = (Evidence(str(note.place), note.text, "kvmfr"),)
    said = ONE_NAME.filled(place=str(note.place), line=note.text)
    return Finding(ModulePlace("kvmfr"), said, rows, None, advice, Actor.TOOL)


def _nothing_loads(settings: KvmfrSettings) -> Finding:
    note = _as_one_name(settings)
    if note is not None:
        return _one_name(note, settings)
    searched = say("kvmfr-start-searched", "modules-load.d, kernel arguments")
    nothing = say("kvmfr-start-no-entry", "no entry for kvmfr")
    return Finding(
        ModulePlace("kvmfr"),
        say(
            "kvmfr-start-nothing",
            "Nothing loads kvmfr at boot, so /dev/kvmfr0 is gone after a reboot.",
        ),
        (
            Evidence(searched, nothing, "kvmfr"),
            *(Evidence(str(n.place), n.said) for n in settings.about("modules-load")),
        ),
        advice=say(
            "kvmfr-start-list-it", "Run `echo kvmfr | sudo tee {file}`.", file=LIST_FILE
        ),
        who_acts=Actor.TOOL,
    )


def _kept_out(keeper: str | Message) -> Finding:
    seen = say("kvmfr-start-not-to-be-loaded", "kvmfr is not to be loaded")
    wanted = say("kvmfr-start-no-such-entry", "no such entry")
    return Finding(
        ModulePlace("kvmfr"),
        say(
            "kvmfr-start-kept-out",
            "kvmfr is in the list of modules to load, and {keeper} keeps it out.",
            keeper=keeper,
        ),
        (Evidence(keeper, seen, wanted),),
        advice=in_order(let_in("kvmfr", keeper), THEN_LOAD),
    )
