"""Loaded modules, the kvmfr module's file, and who may load what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import ROOT_SEES_IT, MissingFact, NotApplicable, known
from vfio_doctor.facts.boot.next_kernel import NextKernel
from vfio_doctor.facts.kernel import KernelRelease
from vfio_doctor.facts.kvmfr.names import CLASS_FOLDER, KVMFR
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say, verbatim
from vfio_doctor.parse import kernel_log, modinfo
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import CommandResult, Reader
    from vfio_doctor.parse.denials import Denial

MODULES = "/proc/modules"
LOCKDOWN = "/sys/kernel/security/lockdown"
INTEGRITY, CONFIDENTIALITY = "integrity", "confidentiality"
SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
SECURE_BOOT = (
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
)
# Where NixOS keeps the modules of the kernel that is running.
ROOTS = ("/lib/modules", "/run/booted-system/kernel-modules/lib/modules")
DEPLOYED = "/ostree/deploy/*/deploy/*/usr/lib/modules"
# Where akmods, DKMS, weak-modules, Arch packages and a kernel's own tree put it.
PLACES = (
    "extra/kvmfr",
    "updates/dkms",
    "extra",
    "updates",
    "weak-updates/kvmfr",
    "weak-updates",
    "kernel/drivers/misc",
    "misc",
)
_INDEX_LIMIT = 8 << 20
EXIT_STATUS = say("exit-status", "exit status {status}")
KERNEL_LOG = say("kernel-log", "kernel log")
NO_LOG = say("kernel-log-not-captured", "the kernel log is not in the capture")
NO_KVMFR_FILE = say("kvmfr-no-file", "no kvmfr.ko")
NOT_SEEN = say("next-modules-not-seen", "the next kernel's modules cannot be seen")
NO_MODE = say("lockdown-no-mode", "no mode is marked")
NOT_FIVE = say("secure-boot-not-five-bytes", "{bytes} bytes, not 5")
NO_LOCKDOWN = say(
    "secure-boot-without-lockdown",
    "Secure Boot is on and {lockdown} is not there",
    lockdown=LOCKDOWN,
)


class LoadedModules(NamedTuple):
    """Names of ``/proc/modules``, spelt with ``_``; built-in ones are not there.

    ``idle`` are those that nobody uses: no module, and no open file.
    """

    names: frozenset[str]
    idle: frozenset[str] = frozenset()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LoadedModules:
        """Read ``/proc/modules``; raise `MissingFact` if it cannot be."""
        text = known(read_text(host, MODULES))
        lines = [line.split(None, 3) for line in text.splitlines()]
        names = frozenset(words[0] for words in lines if words)
        return cls(names, frozenset(w[0] for w in lines if w[2:3] == ["0"]))

    def has(self, module: str) -> bool:
        """Tell whether a module is loaded, ``-`` and ``_`` being equal."""
        return module_name(module) in self.names


class BuiltinModules(NamedTuple):
    """Names of the modules that are part of the running kernel's own image."""

    names: frozenset[str]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> BuiltinModules:
        """Read ``modules.builtin`` of the running kernel."""
        release = facts[KernelRelease].release
        text = known(read_text(host, f"/lib/modules/{release}/modules.builtin"))
        return cls(frozenset(_module_of(line) for line in text.splitlines()))

    def has(self, module: str) -> bool:
        """Tell whether a module is built in, ``-`` and ``_`` being equal."""
        return module_name(module) in self.names


class KvmfrLoaded(NamedTuple):
    """The module as it runs, from sysfs.

    ``loaded`` tells whether ``/sys/module/kvmfr`` is there, ``version`` is its
    ``version`` or "", ``devices`` are the names in ``/sys/class/kvmfr``.
    """

    loaded: bool
    version: str
    devices: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrLoaded:
        """Read sysfs; raise `MissingFact` if it does not answer."""
        home = host.lstat(f"/sys/module/{KVMFR}")
        if isinstance(home, Missing):
            if home.why is not Why.ABSENT:
                known(home)
            return cls(False, "", ())
        version = read_text(host, f"/sys/module/{KVMFR}/version")
        devices = host.list(CLASS_FOLDER)
        if isinstance(devices, Missing) and devices.why is not Why.ABSENT:
            known(devices)
        return cls(
            True,
            "" if isinstance(version, Missing) else version.strip(),
            () if isinstance(devices, Missing) else devices,
        )


class KvmfrFile(NamedTuple):
    """The file ``kvmfr.ko*`` for the running kernel and for the next one.

    ``running`` and ``following`` are paths, or `Missing`: ABSENT if it is proven
    that there is none. ``elsewhere`` are the other kernels that have it,
    looked for only if the running one does not.
    """

    release: str
    running: str | Missing
    next_release: str | Missing | MissingFact
    following: str | Missing | MissingFact
    elsewhere: tuple[str, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrFile:
        """Look in the usual places, then in each kernel's ``modules.dep``."""
        release = facts[KernelRelease].release
        running = _first_file(host, release)
        next_release = _next_release(facts)
        following: str | Missing | MissingFact = running
        if isinstance(next_release, MissingFact):
            following = next_release
        elif next_release != release:
            following = _next_file(host, next_release)
        lost = isinstance(running, Missing)
        others = tuple(_elsewhere(host, release)) if lost else ()
        return cls(release, running, next_release, following, others)


class KvmfrIndexed(NamedTuple):
    """Whether modprobe knows the file: the running kernel's ``modules.dep`` has it."""

    indexed: bool

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrIndexed:
        """Read ``modules.dep``, some hundred kilobytes."""
        release = facts[KernelRelease].release
        indexes = [_from_index(host, f"{root}/{release}") for root in ROOTS]
        found = [path for path in indexes if isinstance(path, str)]
        if not found:
            known(next(p for p in indexes if isinstance(p, Missing)))
        return cls(any(found))


class KvmfrInfo(NamedTuple):
    """What ``modinfo`` says of the module's file for the running kernel."""

    info: modinfo.ModuleInfo

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrInfo:
        """Run ``modinfo -k RELEASE kvmfr``; raise `MissingFact` if it fails."""
        argv = ("modinfo", "-k", facts[KernelRelease].release, KVMFR)
        return cls(modinfo.parse(_output(known(host.run(argv)))))


class KernelMessages(NamedTuple):
    """The kernel log of this boot, as far as it is still kept.

    ``denials`` are what AppArmor and SELinux say in it about kvmfr devices.
    """

    log: kernel_log.KernelLog
    denials: tuple[Denial, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KernelMessages:
        """Run ``dmesg``; raise `MissingFact` if it may not be read."""
        result = known(host.run(("dmesg",)))
        try:
            text = _output(result)
        except MissingFact as refused:
            said = ROOT_SEES_IT.filled(why=refused.message)
            raise MissingFact(said, Why.DENIED) from None
        return cls(kernel_log.parse(text), _denials(text))


def captured_log(facts: Facts) -> kernel_log.KernelLog:
    """Return the kernel log; raise `NotApplicable` if a capture does not hold it."""
    try:
        return facts[KernelMessages].log
    except MissingFact as missing:
        if missing.why in (Why.NOT_CAPTURED, Why.ABSENT):
            raise NotApplicable(NO_LOG) from missing
        raise


def _denials(text: str) -> tuple[Denial, ...]:
    if KVMFR not in text:
        return ()
    from vfio_doctor.parse.denials import denials

    return denials(text)


class ModuleSigning(NamedTuple):
    """What the running kernel demands of a module's signature.

    ``lockdown`` is ``none``, ``integrity`` or ``confidentiality``, "" if the kernel
    does not say; ``secure_boot`` comes from the firmware's variable, false without
    EFI.
    """

    sig_enforce: bool | Missing
    lockdown: str | Missing
    secure_boot: bool | Missing

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ModuleSigning:
        """Read the three switches."""
        return cls(_sig_enforce(host), _lockdown(host), _secure_boot(host))

    def demanded_by(self) -> tuple[str, str] | None:
        """Return the file, and its value, that has the kernel refuse unknown modules.

        None if nothing does. Raises `MissingFact` if one switch cannot be read and
        the other is off.
        Secure Boot alone demands nothing: the kernel acts through lockdown.
        """
        if self.sig_enforce is True:
            return SIG_ENFORCE, "Y"
        if self.lockdown in (INTEGRITY, CONFIDENTIALITY):
            return LOCKDOWN, str(self.lockdown)
        known(self.sig_enforce)
        if not known(self.lockdown) and known(self.secure_boot):
            raise MissingFact(NO_LOCKDOWN)
        return None


def _next_release(facts: Facts) -> str | MissingFact:
    try:
        return facts[NextKernel].release
    except MissingFact as missing:
        return missing


def _output(result: CommandResult) -> str:
    """Return what a command that must succeed printed."""
    if result.status == 0:
        return result.stdout
    said = result.stderr.strip()
    why = verbatim(said) if said else EXIT_STATUS.filled(status=result.status)
    raise MissingFact(
        say(
            "module-command-failed",
            "{command}: {why}",
            command=" ".join(result.argv),
            why=why,
        )
    )


def _module_of(path: str) -> str:
    name = path.strip().rstrip(":").rpartition("/")[2]
    return module_name(name.partition(".ko")[0])


def _first_file(host: Reader, release: str) -> str | Missing:
    """Return the module's file below one of the roots, or why there is none."""
    answers = [_find(host, f"{root}/{release}") for root in ROOTS]
    for answer in answers:
        if isinstance(answer, str):
            return answer
    doubtful = [a for a in answers if isinstance(a, Missing) and a.why != Why.ABSENT]
    return doubtful[0] if doubtful else Missing(f"{ROOTS[0]}/{release}", Why.ABSENT)


def _find(host: Reader, folder: str) -> str | Missing:
    """Return the path of ``kvmfr.ko*`` below one kernel's module folder."""
    doubt: Missing | None = None
    for place in PLACES:
        names = host.list(f"{folder}/{place}")
        if isinstance(names, Missing):
            doubt = doubt if names.why is Why.ABSENT else names
            continue
        for name in names:
            if name.startswith(f"{KVMFR}.ko"):
                return f"{folder}/{place}/{name}"
    indexed = _from_index(host, folder)
    if isinstance(indexed, str) and indexed:
        return indexed
    if isinstance(indexed, Missing) and indexed.why is not Why.ABSENT:
        return indexed
    return doubt or Missing(folder, Why.ABSENT, NO_KVMFR_FILE)


def _from_index(host: Reader, folder: str) -> str | Missing:
    """Return the path that ``modules.dep`` has, "" if it has none."""
    text = read_text(host, f"{folder}/modules.dep", _INDEX_LIMIT)
    if isinstance(text, Missing):
        return text
    for line in text.splitlines():
        path = line.partition(":")[0]
        if path.rpartition("/")[2].startswith(f"{KVMFR}.ko"):
            return path if path.startswith("/") else f"{folder}/{path}"
    return ""


def _next_file(host: Reader, release: str) -> str | Missing:
    """Return the file for a kernel that may belong to another deployment."""
    folder = f"{ROOTS[0]}/{release}"
    folders = [folder] if not isinstance(host.lstat(folder), Missing) else []
    deployed = host.glob(f"{DEPLOYED}/{release}")
    if not isinstance(deployed, Missing):
        folders.extend(deployed)
    answers = [_find(host, each) for each in folders]
    for answer in answers:
        if isinstance(answer, str):
            return answer
    if answers:
        return answers[0]
    return Missing(folder, Why.FAILED, NOT_SEEN)


def _elsewhere(host: Reader, release: str) -> Iterator[str]:
    names = host.list(ROOTS[0])
    for name in () if isinstance(names, Missing) else names:
        if name != release and isinstance(_find(host, f"{ROOTS[0]}/{name}"), str):
            yield name


def _sig_enforce(host: Reader) -> bool | Missing:
    text = read_text(host, SIG_ENFORCE)
    if isinstance(text, str):
        return text.strip() in ("Y", "1")
    return False if text.why is Why.ABSENT else text


def _lockdown(host: Reader) -> str | Missing:
    text = read_text(host, LOCKDOWN)
    if isinstance(text, Missing):
        return "" if text.why is Why.ABSENT else text
    chosen = text.partition("[")[2].partition("]")[0]
    return chosen or Missing(LOCKDOWN, Why.FAILED, NO_MODE)


def _secure_boot(host: Reader) -> bool | Missing:
    data = host.read_bytes(SECURE_BOOT)
    if isinstance(data, Missing):
        return False if data.why is Why.ABSENT else data
    if len(data) != 5:
        return Missing(SECURE_BOOT, Why.FAILED, NOT_FIVE.filled(bytes=len(data)))
    return data[4] == 1
