"""Checks of the kvmfr module: its file, whether it may load, whether it has."""

from __future__ import annotations

from vfio_doctor.api import (
    KERNEL_LOG,
    NO_KVMFR_FILE,
    WANTED_SIZE,
    Actor,
    Check,
    Conclusion,
    EnrolledKeys,
    Evidence,
    Facts,
    FilePlace,
    Finding,
    Iterator,
    KernelMessages,
    KvmfrFile,
    KvmfrIndexed,
    KvmfrInfo,
    KvmfrInstall,
    KvmfrIntent,
    KvmfrLoaded,
    KvmfrSettings,
    LookingGlassGuest,
    Message,
    Missing,
    MissingFact,
    ModuleInfo,
    ModulePlace,
    ModuleSigning,
    NotApplicable,
    Severity,
    Why,
    in_order,
    known,
    let_in,
    say,
    size_by_hand,
)


class KvmfrModuleMissing(Check):
    """The kvmfr module is not installed for the running kernel.

    What it does:
    Looks for the file kvmfr.ko (also compressed) among the modules of the running
    kernel and, if it is not there, among those of the other kernels.

    Why is this bad?
    Looking Glass gets its fast shared memory from this module. A module is made
    for one kernel, so after an update of the kernel or of the image it can be
    gone, and /dev/kvmfr0 with it.

    How it is repaired:
    By installing the module for this kernel, which depends on the distribution,
    or by using plain shared memory (/dev/shm/looking-glass), which needs no
    module. The doctor builds no modules.

    See it yourself:
        modinfo kvmfr
        find /lib/modules -name 'kvmfr.ko*'

    False alarms:
    A module that you load by hand with insmod from your own folder is not looked
    for once it is loaded. If you no longer use Looking Glass, remove the files
    that the evidence names as signs of it, or use --skip kvmfr.
    """

    id = "kvmfr-module-missing"
    severity = Severity.ERROR
    title = "The kvmfr module is not installed for this kernel"

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the running kernel lacks the module."""
        facts[KvmfrIntent].demand()
        if facts[KvmfrLoaded].loaded:
            return
        running = facts[KvmfrFile].running
        if not _is_absent(running):
            known(running)
            return
        yield _missing(facts)


def _is_absent(reading: str | Missing) -> bool:
    return isinstance(reading, Missing) and reading.why is Why.ABSENT


def _missing(facts: Facts) -> Finding:
    file = facts[KvmfrFile]
    actor, advice, _ = facts[KvmfrInstall]
    if isinstance(file.following, str):
        actor = Actor.USER
        advice = say(
            "kvmfr-module-in-next-kernel", "Reboot: the next kernel has the module."
        )
    sign = say("kvmfr-module-sign", "sign that kvmfr is wanted")
    return Finding(
        ModulePlace("kvmfr", file.release),
        say(
            "kvmfr-module-missing",
            "The running kernel {release} has no kvmfr module.",
            release=file.release,
        ),
        (
            Evidence(f"/lib/modules/{file.release}", NO_KVMFR_FILE, "kvmfr.ko"),
            *(Evidence(f"/lib/modules/{one}", "kvmfr.ko") for one in file.elsewhere),
            *(Evidence(sign, reason) for reason in facts[KvmfrIntent].reasons),
        ),
        advice=advice,
        who_acts=actor,
    )


class KvmfrModuleRejected(Check):
    """The kernel does not let the kvmfr module in.

    What it does:
    If the module is installed and not loaded, reads for which kernel it was built
    and who signed it, what the kernel demands (lockdown, enforced signatures), which
    keys are enrolled (shim's list and the firmware's), and what the kernel log says of
    refused modules.

    Why is this bad?
    With Secure Boot the kernel takes only modules signed with a key that you have
    told the firmware to trust. modprobe then says "Key was rejected by service",
    or "Invalid module format" for a module of another kernel.

    How it is repaired:
    By enrolling the key that signed the module, which the firmware asks you to
    confirm at the next reboot, or by building the module anew for this kernel.

    See it yourself:
        modinfo -F signer kvmfr
        modinfo -F vermagic kvmfr; uname -r
        cat /sys/kernel/security/lockdown
        mokutil --list-enrolled | grep Subject:
        sudo dmesg | grep -i -e 'rejected' -e kvmfr

    False alarms:
    The log keeps what was refused earlier in this boot, and such a line does not
    name the module: it can be about another one. The check never calls a signed
    module refused without such a line: keys that are built into the kernel are in no
    list.
    """

    id = "kvmfr-module-rejected"
    severity = Severity.ERROR
    title = "The kernel refuses the kvmfr module"
    requires = ("kvmfr-module-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if it is certain that the module cannot load."""
        facts[KvmfrIntent].demand()
        if facts[KvmfrLoaded].loaded:
            return
        file = facts[KvmfrFile]
        path = known(file.running)
        info = facts[KvmfrInfo].info
        if _is_foreign(info, file.release):
            yield _foreign(facts, path, info)
            return
        named = _log(facts, Conclusion.MODULE_REFUSED, named=True)
        try:
            demand = facts[ModuleSigning].demanded_by()
        except MissingFact:
            if not named:
                raise
            demand = None
        if demand:
            yield from _untrusted(facts, path, info, demand)
        elif named:
            advice = _how_to_enroll(facts, info, "")
            yield Finding(FilePlace(path), KEY_REJECTED, named, None, advice)


def _is_foreign(info: ModuleInfo, release: str) -> bool:
    borrowed = "/weak-updates/" in info.filename
    return bool(info.release) and info.release != release and not borrowed


def _log(
    facts: Facts, conclusion: Conclusion, named: bool = False
) -> tuple[Evidence, ...]:
    """Return what the kernel log has on this, () if it cannot be read.

    With ``named``, only what names this very module.
    """
    try:
        log = facts[KernelMessages].log
    except MissingFact:
        return ()
    ours = log.of(conclusion, module="kvmfr")
    unnamed = [m for m in log.of(conclusion) if not (m.module or named)]
    found = dict.fromkeys(match.line for match in (*ours, *unnamed))
    return tuple(Evidence(KERNEL_LOG, line) for line in found)


def _foreign(facts: Facts, path: str, info: ModuleInfo) -> Finding:
    """Return the finding on another kernel's module, unless symbols decide."""
    release = facts[KvmfrFile].release
    log = _log(facts, Conclusion.MODULE_FOREIGN)
    if info.checks_symbols and not log:
        raise MissingFact(
            say(
                "kvmfr-module-symbols-decide",
                "kvmfr was built for {built}; whether {release} takes it shows only"
                " when it is loaded: `sudo modprobe kvmfr`",
                built=info.release,
                release=release,
            )
        )
    install = facts[KvmfrInstall]
    return Finding(
        FilePlace(path),
        say(
            "kvmfr-module-foreign",
            "The kvmfr module was built for the kernel {built}, and {release} runs.",
            built=info.release,
            release=release,
        ),
        (Evidence(f"modinfo {path}", f"vermagic {info.vermagic}", release), *log),
        advice=install.advice,
        who_acts=install.actor,
    )


def _untrusted(
    facts: Facts, path: str, info: ModuleInfo, demand: tuple[str, str]
) -> Iterator[Finding]:
    """Yield the finding on a module whose signature is refused for certain."""
    log = _log(facts, Conclusion.MODULE_REFUSED)
    signer = info.signer or say("kvmfr-module-unnamed-key", "an unnamed key")
    keys = facts[EnrolledKeys] if info.signed else None
    if info.signed and not log and keys and keys.enrolled is True:
        return
    if info.signed and not log:
        raise MissingFact(
            say(
                "kvmfr-module-trust-unknown",
                "kvmfr is signed by {signer} and the kernel wants a trusted signature;"
                " `mokutil --list-enrolled` or `sudo modprobe kvmfr` shows whether it"
                " trusts that key",
                signer=signer,
            )
        )
    seen = say("kvmfr-module-unsigned", "unsigned")
    message = say(
        "kvmfr-module-not-signed",
        "The kernel takes only trusted modules, and kvmfr is unsigned.",
    )
    if info.signed:
        seen = say("kvmfr-module-signer", "signed by {signer}", signer=signer)
        message = say(
            "kvmfr-module-untrusted",
            "The kernel takes only trusted modules, and kvmfr is signed by {signer}.",
            signer=signer,
        )
    trusted = say("kvmfr-module-trusted", "a signature that this host trusts")
    rows = (Evidence(f"modinfo {path}", seen, trusted), Evidence(*demand), *log)
    if keys and keys.enrolled is False:
        message = NOT_ENROLLED.filled(signer=signer)
        rows = (*rows, *(Evidence(where, NO_SUCH_KEY) for where in keys.where))
    advice = _how_to_enroll(facts, info, keys.public if keys else "")
    if keys and keys.enrolled:
        rows = (*rows, Evidence(keys.where[0], THAT_KEY))
        advice = REBOOT_FIRST
    yield Finding(FilePlace(path), message, rows, advice=advice)


KEY_REJECTED = say(
    "kvmfr-module-key-rejected",
    "The kernel has refused kvmfr in this boot: it does not take its signature.",
)
NOT_ENROLLED = say(
    "kvmfr-module-not-enrolled",
    "The kernel takes only trusted modules, and kvmfr is signed by {signer}, whose key"
    " is not enrolled.",
)
NO_SUCH_KEY = say("kvmfr-module-no-such-key", "no key with the number of the signature")
THAT_KEY = say("kvmfr-module-that-key", "the key that signed it")
REBOOT_FIRST = say(
    "kvmfr-module-key-is-there",
    "The key is enrolled now. Reboot: the kernel reads the list when it starts. If the"
    " module is still refused, build it anew.",
)
ENROLL = say(
    "kvmfr-module-enroll",
    "Tell the firmware to trust the key: run `sudo mokutil --import {path}`, reboot,"
    " and choose Enroll MOK, Continue, Yes in the blue screen.",
)


def _how_to_enroll(facts: Facts, info: ModuleInfo, public: str) -> Message:
    if not info.signed:
        return say(
            "kvmfr-module-let-dkms-sign",
            "Let DKMS sign it: set a key with `sudo mokutil --import"
            " /var/lib/dkms/mok.pub`, reboot, choose Enroll MOK in the blue screen,"
            " then build again with `sudo dkms install --force kvmfr/VERSION`.",
        )
    if facts[KvmfrInstall].image_based:
        return say(
            "kvmfr-module-enroll-image-key",
            "Run `ujust enroll-secure-boot-key`, reboot, and in the blue screen choose"
            " Enroll MOK, Continue, Yes and type the password universalblue.",
        )
    if public:
        return ENROLL.filled(path=public)
    return say(
        "kvmfr-module-enroll-key",
        "Tell the firmware to trust the key: `sudo mokutil --import"
        " /var/lib/dkms/mok.pub` (for an akmod /etc/pki/akmods/certs/public_key.der),"
        " reboot, and choose Enroll MOK, Continue, Yes in the blue screen.",
    )


class KvmfrModuleNotLoaded(Check):
    """The kvmfr module is installed but not loaded.

    What it does:
    Looks for /sys/module/kvmfr. If it is absent, looks for what may have kept the
    module out: a size it does not take, a blacklist, a missing index.

    Why is this bad?
    Without the module there is no /dev/kvmfr0. A virtual machine that is started
    now may even leave an ordinary file of that name, which is in the way later.

    How it is repaired:
    The module is loaded now; what kept it out is put right first.

    See it yourself:
        lsmod | grep kvmfr
        sudo modprobe kvmfr
        sudo dmesg | grep kvmfr

    False alarms:
    None while you want to use Looking Glass. If you load the module only when you
    need it, this is what you see in between.
    """

    id = "kvmfr-module-not-loaded"
    severity = Severity.ERROR
    title = "The kvmfr module is not loaded"
    requires = ("kvmfr-module-rejected",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the module could be loaded and is not."""
        facts[KvmfrIntent].demand()
        if facts[KvmfrLoaded].loaded:
            return
        if _is_absent(facts[KvmfrFile].running):
            raise NotApplicable(
                say("kvmfr-module-not-installed", "the module is not installed")
            )
        causes = (*_causes(facts), *_no_size(facts))
        load = say("kvmfr-module-load", "Run `sudo modprobe kvmfr`.")
        if causes:
            load = say("kvmfr-module-then-load", "Then run `sudo modprobe kvmfr`.")
        yield Finding(
            ModulePlace("kvmfr"),
            say(
                "kvmfr-module-not-loaded",
                "The kvmfr module is not loaded, so there is no /dev/kvmfr0.",
            ),
            (NOT_THERE, *(row for row, _ in causes)),
            advice=in_order(*(cure for _, cure in causes), load),
            who_acts=Actor.TOOL,
        )


NOT_THERE = Evidence(
    "/sys/module/kvmfr",
    say("kvmfr-module-not-there", "not there"),
    say("kvmfr-module-there", "there"),
)


def _causes(facts: Facts) -> Iterator[tuple[Evidence, Message]]:
    """Yield what may have kept the module out, and the cure as a sentence."""
    try:
        settings = facts[KvmfrSettings]
    except MissingFact:
        settings = None
    if settings:
        yield from _bad_sizes(settings)
    if settings and isinstance(settings.kept_out_by, str | Message):
        keeper = settings.kept_out_by
        seen = say("kvmfr-module-kept-out", "keeps the module from loading at boot")
        yield Evidence(keeper, seen), let_in("kvmfr", keeper)
    try:
        indexed = facts[KvmfrIndexed].indexed
    except MissingFact:
        indexed = True
    if not indexed:
        index = f"/lib/modules/{facts[KvmfrFile].release}/modules.dep"
        seen = say("kvmfr-module-not-listed", "does not list kvmfr")
        yield Evidence(index, seen), say("kvmfr-module-index", "Run `sudo depmod -a`.")


def _no_size(facts: Facts) -> Iterator[tuple[Evidence, Message]]:
    """Yield that no size is set: the module would be loaded and make nothing."""
    try:
        unset = facts[KvmfrSettings].following.option is None
    except MissingFact:
        return
    if unset and not facts[LookingGlassGuest].address:
        where = say("kvmfr-module-size-sources", "modprobe.d, kernel arguments")
        seen = say("kvmfr-module-no-size", "no static_size_mb: it makes no device")
        yield Evidence(where, seen), size_by_hand(facts)


def _bad_sizes(settings: KvmfrSettings) -> Iterator[tuple[Evidence, Message]]:
    option = settings.now.option
    if option is None:
        return
    for error in settings.now.errors:
        seen = say(
            "kvmfr-module-size",
            "static_size_mb={value}: {error}",
            value=option.value or "",
            error=error,
        )
        cure = say(
            "kvmfr-module-give-size",
            "Give static_size_mb {wanted}.",
            wanted=WANTED_SIZE,
        )
        yield Evidence(option.source, seen, WANTED_SIZE), cure
