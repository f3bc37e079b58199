"""Checks of the kvmfr module: its file, whether it may load, whether it has."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    BootKind,
    BootStack,
    Check,
    Conclusion,
    Evidence,
    Facts,
    Finding,
    ImageInfo,
    Iterator,
    KernelMessages,
    KvmfrFile,
    KvmfrIndexed,
    KvmfrInfo,
    KvmfrIntent,
    KvmfrLoaded,
    KvmfrSettings,
    Missing,
    MissingFact,
    ModuleInfo,
    ModuleSigning,
    NotApplicable,
    OsRelease,
    Severity,
    Why,
    known,
    old_finding,
)

GUIDE = "https://looking-glass.io/docs (Installation, Kernel module)"
FROM_SOURCE = "in the folder module/ of the Looking Glass source `sudo dkms install .`"
# Ids of os-release, how to get the kernel's headers, how to get the module.
RECIPES = (
    (
        ("debian", "ubuntu"),
        "Run `sudo apt install dkms linux-headers-RELEASE`",
        FROM_SOURCE,
    ),
    (
        ("fedora", "rhel"),
        "Run `sudo dnf install dkms kernel-devel-RELEASE`",
        FROM_SOURCE,
    ),
    (
        ("arch",),
        "Run `sudo pacman -S --needed dkms linux-headers`",
        "install looking-glass-module-dkms from the AUR",
    ),
    ((), "Install dkms and the headers of kernel RELEASE", FROM_SOURCE),
)


class KvmfrModuleMissing(Check):
    """The kvmfr module is not installed for the running kernel.

    What it does:
    Looks for the file kvmfr.ko (also compressed) among the modules of the running
    kernel, and where it is not there, among those of the other kernels.

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
        """Yield one finding where the running kernel lacks the module."""
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
    wanted = "kvmfr.ko for this kernel"
    actor, advice = _how_to_install(facts, file.release, bool(file.elsewhere))
    if isinstance(file.following, str):
        actor, advice = Actor.USER, "Restart: the next kernel has the module."
    return old_finding(
        f"kernel {file.release}",
        "The running kernel {release} has no kvmfr module.",
        (("release", file.release),),
        (
            Evidence(f"/lib/modules/{file.release}", "no kvmfr.ko", wanted),
            *(
                Evidence(f"/lib/modules/{other}", "kvmfr.ko is here")
                for other in file.elsewhere
            ),
            *(
                Evidence("sign that kvmfr is wanted", reason)
                for reason in facts[KvmfrIntent].reasons
            ),
        ),
        None,
        advice,
        actor,
    )


def _how_to_install(facts: Facts, release: str, elsewhere: bool) -> tuple[Actor, str]:
    """Return who acts, and what they do on this distribution."""
    if _is_image_based(facts):
        return Actor.VENDOR, _for_image(facts)
    try:
        system = facts[OsRelease]
    except MissingFact:
        return Actor.USER, f"Install the module for this kernel: {GUIDE}."
    if system.is_like("nixos"):
        option = "boot.extraModulePackages = [ config.boot.kernelPackages.kvmfr ];"
        return Actor.USER, f"Add `{option}` to your configuration and rebuild."
    recipe = next((r for r in RECIPES if system.is_like(*r[0])), RECIPES[-1])
    headers = recipe[1].replace("RELEASE", release)
    if elsewhere:
        return Actor.USER, (
            f"It is there for another kernel. {headers}, then"
            f" `sudo dkms autoinstall -k {release}`; where an akmod built it, run"
            f" `sudo akmods --kernels {release}`. If the build fails, take a newer"
            " Looking Glass source: each kernel needs one that is new enough."
        )
    return Actor.USER, f"{headers}, then {recipe[2]}. See {GUIDE}."


def _is_image_based(facts: Facts) -> bool:
    try:
        return facts[BootStack].kind in (BootKind.RPM_OSTREE, BootKind.BOOTC)
    except MissingFact:
        return False


def _for_image(facts: Facts) -> str:
    try:
        name = facts[ImageInfo].name
    except MissingFact:
        name = ""
    if "bazzite" in name:
        first = (
            "Bazzite ships kvmfr, but not in every build: update once more, or boot"
            " the previous deployment from the boot menu and keep it with"
            " `sudo ostree admin pin 1`"
        )
    else:
        first = (
            f"The image {name or 'of this host'} does not ship kvmfr, and it cannot"
            " be built on an image-based host. Bluefin and Aurora dropped it in"
            " November 2025. Use an image that ships it (Bazzite does), or build"
            " your own from this one with the module added"
        )
    return (
        f"{first}. Without the module Looking Glass also works over plain shared"
        " memory: a <shmem name='looking-glass'> device in the VM and"
        " /dev/shm/looking-glass on the host, at the cost of some processor time."
    )


class KvmfrModuleRejected(Check):
    """The kernel does not let the kvmfr module in.

    What it does:
    Where the module is installed and not loaded, reads for which kernel it was
    built and who signed it, what the kernel demands (lockdown, enforced
    signatures), and what the kernel log says of refused modules.

    Why is this bad?
    With Secure Boot the kernel takes only modules signed with a key that you have
    told the firmware to trust. modprobe then says "Key was rejected by service",
    or "Invalid module format" for a module of another kernel.

    How it is repaired:
    By enrolling the key that signed the module, which the firmware asks you to
    confirm at the next start, or by building the module anew for this kernel.

    See it yourself:
        modinfo -F signer kvmfr
        modinfo -F vermagic kvmfr; uname -r
        cat /sys/kernel/security/lockdown
        mokutil --list-enrolled | grep Subject:
        sudo dmesg | grep -i -e 'rejected' -e kvmfr

    False alarms:
    The log keeps what was refused earlier in this boot, and such a line does not
    name the module: it can be about another one. The check never calls a signed
    module refused without such a line.
    """

    id = "kvmfr-module-rejected"
    severity = Severity.ERROR
    title = "The kernel refuses the kvmfr module"
    requires = ("kvmfr-module-missing",)

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding where it is certain that the module cannot load."""
        facts[KvmfrIntent].demand()
        if facts[KvmfrLoaded].loaded:
            return
        file = facts[KvmfrFile]
        path = known(file.running)
        info = facts[KvmfrInfo].info
        if _is_foreign(info, file.release):
            if not info.checks_symbols or _log(facts, Conclusion.MODULE_FOREIGN):
                yield _foreign(facts, path, info)
                return
            raise MissingFact(
                f"kvmfr was built for {info.release}; whether {file.release} takes it"
                " shows only when it is loaded: sudo modprobe kvmfr"
            )
        demand = facts[ModuleSigning].demanded_by()
        if not demand:
            return
        if info.signed and not _log(facts, Conclusion.MODULE_REFUSED):
            raise MissingFact(
                f"kvmfr is signed by {info.signer or 'an unnamed key'} and the kernel"
                " wants a trusted signature; whether that key is trusted shows"
                " `mokutil --list-enrolled`, or `sudo modprobe kvmfr`"
            )
        yield _unsigned(facts, path, info, demand)


def _is_foreign(info: ModuleInfo, release: str) -> bool:
    borrowed = "/weak-updates/" in info.filename
    return bool(info.release) and info.release != release and not borrowed


def _log(facts: Facts, conclusion: Conclusion) -> tuple[Evidence, ...]:
    """Return what the kernel log has on this, () where it cannot be read."""
    try:
        log = facts[KernelMessages].log
    except MissingFact:
        return ()
    named = log.of(conclusion, module="kvmfr")
    unnamed = [match for match in log.of(conclusion) if not match.module]
    found = dict.fromkeys(match.line for match in (*named, *unnamed))
    return tuple(Evidence("kernel log", line) for line in found)


def _foreign(facts: Facts, path: str, info: ModuleInfo) -> Finding:
    release = facts[KvmfrFile].release
    actor, advice = _how_to_install(facts, release, elsewhere=True)
    return old_finding(
        path,
        "The kvmfr module was built for the kernel {built}, and {release} runs.",
        (("built", info.release), ("release", release)),
        (
            Evidence(f"modinfo {path}", f"vermagic {info.vermagic}", release),
            *_log(facts, Conclusion.MODULE_FOREIGN),
        ),
        advice=advice,
        who_acts=actor,
    )


def _unsigned(facts: Facts, path: str, info: ModuleInfo, demand: str) -> Finding:
    who = f"signed by {info.signer or 'an unnamed key'}" if info.signed else "unsigned"
    wanted = "a signature that this host trusts"
    return old_finding(
        path,
        "The kernel takes only trusted modules, and kvmfr is {who}.",
        (("who", who),),
        (
            Evidence(f"modinfo {path}", who, wanted),
            Evidence("what the kernel demands", demand),
            *_log(facts, Conclusion.MODULE_REFUSED),
        ),
        advice=_how_to_enroll(facts, info),
    )


def _how_to_enroll(facts: Facts, info: ModuleInfo) -> str:
    if _is_image_based(facts) and info.signed:
        return (
            "Run `ujust enroll-secure-boot-key`, restart, and in the blue screen"
            " choose Enroll MOK, Continue, Yes and type the password universalblue."
        )
    if not info.signed:
        return (
            "Let DKMS sign it: set a key with `sudo mokutil --import"
            " /var/lib/dkms/mok.pub`, restart, choose Enroll MOK in the blue screen,"
            " then build again with `sudo dkms install --force kvmfr/VERSION`."
        )
    return (
        "Tell the firmware to trust the key: `sudo mokutil --import"
        " /var/lib/dkms/mok.pub` (for an akmod /etc/pki/akmods/certs/public_key.der),"
        " restart, and choose Enroll MOK, Continue, Yes in the blue screen."
    )


class KvmfrModuleNotLoaded(Check):
    """The kvmfr module is installed but not loaded.

    What it does:
    Looks for /sys/module/kvmfr. Where it is absent, looks for what may have kept
    the module out: a size it does not take, a blacklist, a missing index.

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
        """Yield one finding where the module could be loaded and is not."""
        facts[KvmfrIntent].demand()
        if facts[KvmfrLoaded].loaded:
            return
        if _is_absent(facts[KvmfrFile].running):
            raise NotApplicable("the module is not installed")
        causes = tuple(_causes(facts))
        advice = "".join(f"{row.expected}. " for row in causes)
        yield old_finding(
            "kvmfr",
            "The kvmfr module is not loaded, so there is no /dev/kvmfr0.",
            (),
            (Evidence("/sys/module/kvmfr", "not there", "there"), *causes),
            None,
            f"{advice}Then run `sudo modprobe kvmfr`."
            if causes
            else "Run `sudo modprobe kvmfr`.",
            Actor.TOOL,
        )


def _causes(facts: Facts) -> Iterator[Evidence]:
    """Yield what may have kept the module out, with the cure as expected."""
    try:
        settings = facts[KvmfrSettings]
    except MissingFact:
        settings = None
    if settings and settings.now.option:
        value, source = settings.now.option
        for error in settings.now.errors:
            cure = "Give static_size_mb a power of two from 32 to 1024"
            yield Evidence(source, f"static_size_mb={value}: {error}", cure)
    if settings and isinstance(settings.kept_out_by, str):
        seen = "keeps the module from loading at boot"
        cure = f"Remove what {settings.kept_out_by} says of kvmfr"
        yield Evidence(settings.kept_out_by, seen, cure)
    try:
        indexed = facts[KvmfrIndexed].indexed
    except MissingFact:
        indexed = True
    if not indexed:
        release = facts[KvmfrFile].release
        source = f"/lib/modules/{release}/modules.dep"
        yield Evidence(source, "does not list kvmfr", "Run `sudo depmod -a`")
