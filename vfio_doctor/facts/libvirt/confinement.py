"""AppArmor and SELinux, as far as they come between QEMU and a kvmfr device."""

from __future__ import annotations

import re
from posixpath import join
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.libvirt.daemons import DAEMONS
from vfio_doctor.facts.modules import KernelMessages
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.apparmor import Include, ProfileText
    from vfio_doctor.parse.denials import Denial

ENABLED = "/sys/module/apparmor/parameters/enabled"
LOADED = "/sys/kernel/security/apparmor/profiles"
FOLDER = "/etc/apparmor.d"
ABSTRACTION = f"{FOLDER}/abstractions/libvirt-qemu"
TEMPLATE = f"{FOLDER}/libvirt/TEMPLATE.qemu"
SHIPPED = (ABSTRACTION, TEMPLATE)
PROFILES = f"{FOLDER}/libvirt/libvirt-*"
# What editors and packages leave behind (libapparmor, private.c).
PASSED_OVER = (
    *(".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-bak", ".dpkg-remove"),
    *(".pacsave", ".pacnew", ".rpmnew", ".rpmsave", ".orig", ".rej", "~"),
)
# What libvirt's abstraction includes, the newer hook first.
HOOK_FOLDER = "abstractions/libvirt-qemu.d"
HOOK_FILE = "local/abstractions/libvirt-qemu"
DAEMON_PROFILE = r"(?:/usr/s?bin/)?(?:libvirtd|virtqemud) \(|libvirt-[0-9a-f-]{1,64} \("
AUDIT_LOG = "/var/log/audit"
AUDIT_RECORDS = (
    *("journalctl", "-b", "-q", "--no-pager", "-o", "cat", "-g", KVMFR),
    "_TRANSPORT=audit",
)
ENFORCE = "/sys/fs/selinux/enforce"
CONFIG = "/etc/selinux/config"
CONTEXTS = "/etc/selinux/{}/contexts/files/file_contexts.local"
STORES = (
    "/var/lib/selinux/{}/active/modules/*/*kvmfr*",
    "/etc/selinux/{}/active/modules/*/*kvmfr*",
    # What `semanage permissive -a svirt_t` makes.
    "/var/lib/selinux/{}/active/modules/*/permissive_svirt_t",
)
# Fedora and its kin call their policy targeted, Debian calls its own default.
DEBIAN_POLICY = "default"
# The type that VMs may open, and what a policy lacks that does not let them map it.
VM_TYPE = "svirt_image_t"
MAP_MODULE = "vfio-doctor-kvmfr"
MAP_RULE = f"(allow svirt_t {VM_TYPE} (chr_file (map)))"
MODE = r"(?m)^[ \t]{0,8}SELINUX=(enforcing|permissive|disabled)[ \t]{0,64}$"
POLICY = r"(?m)^[ \t]{0,8}SELINUXTYPE=([A-Za-z0-9_.-]{1,64})[ \t]{0,64}$"


class Denials(NamedTuple):
    """Records of this boot's logs about kvmfr devices; () if they cannot be read.

    ``unseen`` is why not, if the kernel's may not be read.
    """

    records: tuple[Denial, ...]
    unseen: MissingFact | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Denials:
        """Read the logs as evidence: without them, the files still tell."""
        audited = _audited(host)
        try:
            return cls((*facts[KernelMessages].denials, *audited))
        except MissingFact as missing:
            return cls(audited, missing if missing.hidden else None)

    def of(self, driver: str, path: str) -> tuple[Denial, ...]:
        """Return those of one driver about one node."""
        return tuple(d for d in self.records if (d.driver, d.path) == (driver, path))

    @property
    def in_private(self) -> tuple[str, ...]:
        """Return the nodes that a VM had in its own /dev, by these records."""
        return tuple(sorted({d.path for d in self.records if d.in_private}))


def _audited(host: Reader) -> tuple[Denial, ...]:
    """Return what auditd was told, which the kernel then does not log itself."""
    if isinstance(host.lstat(AUDIT_LOG), Missing):
        return ()
    answer = host.run(AUDIT_RECORDS)
    if isinstance(answer, Missing) or KVMFR not in answer.stdout:
        return ()
    from vfio_doctor.parse.denials import denials

    return denials(answer.stdout)


class SecurityDrivers(NamedTuple):
    """Which of the two the kernel has on; None if that is not known."""

    selinux: bool | None
    apparmor: bool | None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SecurityDrivers:
        """Look for the file of each that only a kernel has in which it is on."""
        selinux, apparmor = read_text(host, ENFORCE, 64), read_text(host, ENABLED, 64)
        return cls(_is_on(selinux), _is_on(apparmor, "Y"))


def _is_on(text: str | Missing, word: str = "") -> bool | None:
    if isinstance(text, Missing):
        if text.hidden:
            known(text)
        return False if text.why is Why.ABSENT else None
    return not word or text.strip() == word


class AppArmor(NamedTuple):
    """AppArmor's rules for QEMU: the abstraction, and all that it includes.

    ``texts`` are files that count for each VM, ``own`` those of single VMs.
    ``hook`` is the file that rules of one's own belong into, "" if libvirt's
    abstraction includes none. ``absent`` are files that have to be there and are not:
    which file includes each, in which line, and its path. ``closed`` are those of
    ``unread`` that count for each VM.
    """

    enabled: bool
    installed: bool
    texts: tuple[tuple[str, ProfileText], ...]
    own: tuple[tuple[str, ProfileText], ...]
    unread: tuple[Missing, ...]
    hook: str
    absent: tuple[tuple[str, int, str], ...] = ()
    closed: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> AppArmor:
        """Read what the kernel says and, if it is on, the files."""
        on = read_text(host, ENABLED, 64)
        if isinstance(on, Missing) and on.why not in (Why.ABSENT, Why.NOT_CAPTURED):
            known(on)
        if isinstance(on, Missing) or on.strip() != "Y":
            return cls(False, False, (), (), (), "")
        search = _Profiles(host)
        search.read(ABSTRACTION)
        installed = (bool(search.texts) or bool(search.unread)) and _confines(host)
        search.read(TEMPLATE)
        closed = tuple(search.unread)
        own = tuple(search.profiles())
        texts, unread = tuple(search.texts), tuple(search.unread)
        absent = tuple(search.absent)
        return cls(True, installed, texts, own, unread, search.hook(), absent, closed)

    @property
    def unfinished(self) -> tuple[str, int, str] | None:
        """Return the first rule for files that lacks its comma: file, line, text."""
        found = ((path, *rule) for path, text in self.texts for rule in text.unfinished)
        return next(found, None)

    @property
    def wrong(self) -> tuple[str, int, str] | None:
        """Return the first other rule of one's own that AppArmor does not take."""
        found = ((path, *rule) for path, text in self.texts for rule in text.wrong)
        return next((each for each in found if each[0] not in SHIPPED), None)

    def opens(self, path: str) -> bool | None:
        """Tell whether each VM may open a node; None if only some may.

        Raises `MissingFact` if a file that was not read may say so.
        """
        said = [text.verdict(path) for _, text in self.texts]
        if False in said:
            return False
        if True in said:
            return True
        own = [text.verdict(path) for _, text in self.own]
        if True in own:
            return True if all(own) else None
        for missing in self.unread:
            known(missing)
        return False


def _confines(host: Reader) -> bool:
    """Tell whether libvirt confines VMs: only if its daemon has a profile itself.

    (security_apparmor.c, use_apparmor). Only root sees which ones are loaded; where
    that is not seen, it is taken to have one unless that was switched off.
    """
    loaded = read_text(host, LOADED, 1 << 20)
    if isinstance(loaded, Missing):
        off = (host.lstat(f"{FOLDER}/disable/usr.sbin.{name}") for name in DAEMONS)
        return all(isinstance(link, Missing) for link in off)
    there = [name for name in DAEMONS if _is_program(host, name)]
    counts = ("libvirt-", *(there or DAEMONS))
    return any(
        re.match(DAEMON_PROFILE, line) and any(name in line for name in counts)
        for line in loaded.splitlines()
    )


def _is_program(host: Reader, name: str) -> bool:
    paths = (f"/usr/sbin/{name}", f"/usr/bin/{name}")
    return any(not isinstance(host.lstat(path), Missing) for path in paths)


def _counts(name: str) -> bool:
    """Tell whether AppArmor reads a file of a folder that is included."""
    passed = name == "README" or name.startswith(".") or name.endswith(PASSED_OVER)
    return not passed


class _Profiles:
    def __init__(self, host: Reader) -> None:
        self.host = host
        self.texts: list[tuple[str, ProfileText]] = []
        self.unread: list[Missing] = []
        self.seen: set[str] = set()
        self.absent: list[tuple[str, int, str]] = []

    def text(self, path: str, within: int = 0) -> ProfileText | None:
        text = read_text(self.host, path, 1 << 18)
        if isinstance(text, str):
            # Most hosts have none.
            from vfio_doctor.parse.apparmor import parse

            return parse(text, within)
        if text.why is not Why.ABSENT:
            self.unread.append(text)
        return None

    def read(self, path: str) -> None:
        """Read a file and, of what it includes, what people put rules into."""
        if path in self.seen or len(self.seen) > 64:
            return
        self.seen.add(path)
        found = self.text(path, 1 if path == TEMPLATE else 0)
        if found is None:
            return
        self.texts.append((path, found))
        for include in found.includes:
            # Of the many that all profiles have, none names a device of one's own.
            own = path not in SHIPPED or "libvirt" in include.name
            if own and ".." not in include.name:
                self.include(path, include)

    def include(self, path: str, include: Include) -> None:
        """Read what a file includes; note it if it is not there and has to be."""
        name = join(FOLDER, include.name)
        # What is elsewhere is no file of a known format.
        for each in self.files(name) if name.startswith(FOLDER) else ():
            self.read(each)
        stat = self.host.lstat(name)
        if not isinstance(stat, Missing) or include.if_exists:
            return
        if stat.why is Why.ABSENT:
            self.absent.append((path, include.line, name))
        elif stat.hidden:
            self.unread.append(stat)

    def files(self, path: str) -> tuple[str, ...]:
        """Return an included file, or the files of an included folder."""
        names = self.host.list(path)
        if not isinstance(names, Missing):
            return tuple(f"{path}/{name}" for name in names if _counts(name))
        if names.hidden:
            self.unread.append(names)
            return ()
        return (path,)

    def profiles(self) -> list[tuple[str, ProfileText]]:
        paths = self.host.glob(PROFILES)
        if isinstance(paths, Missing):
            if paths.hidden:
                self.unread.append(paths)
            return []
        own = (path for path in paths if not path.endswith(".files"))
        read = ((path, self.text(path, 1)) for path in own)
        return [(path, text) for path, text in read if text is not None]

    def hook(self) -> str:
        included = {i.name for _, text in self.texts for i in text.includes}
        if HOOK_FOLDER in included:
            return f"{FOLDER}/{HOOK_FOLDER}/kvmfr"
        return f"{FOLDER}/{HOOK_FILE}" if HOOK_FILE in included else ""


class SeLinux(NamedTuple):
    """SELinux's mode, and what the administrator gave kvmfr devices in it.

    ``contexts`` are lines of local file contexts that name kvmfr, ``modules`` local
    policy modules of that name, or that make VMs' own type permissive. ``policy`` is
    the name of the policy that is loaded. ``later`` tells that it is permissive until
    the next boot only, as `setenforce 0` makes it.
    """

    enforcing: bool
    contexts: tuple[str, ...]
    modules: tuple[str, ...]
    unread: Missing | None
    policy: str = ""
    later: bool = False

    @property
    def maps(self) -> bool:
        """Tell whether a VM may map a device of its images' type.

        Fedora's policy lets it. Debian's, which alone has that name, lets it open one,
        and not map it (2.20221101 and 2.20250213): that needs our module.
        """
        own = any(path.endswith(f"/{MAP_MODULE}") for path in self.modules)
        return own or self.policy != DEBIAN_POLICY

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> SeLinux:
        """Ask the kernel, then read the files."""
        mode = read_text(host, ENFORCE, 64)
        if isinstance(mode, Missing):
            if mode.why not in (Why.ABSENT, Why.NOT_CAPTURED):
                known(mode)
            return cls(False, (), (), None)
        enforcing = mode.strip() == "1"
        config = read_text(host, CONFIG, 1 << 16)
        if isinstance(config, Missing) and config.hidden:
            known(config)
        if not enforcing and not _at_boot(config, facts):
            return cls(False, (), (), None)
        policy = policy_of(host)
        local = read_text(host, CONTEXTS.format(policy))
        lines = "" if isinstance(local, Missing) else local
        contexts = tuple(line for line in lines.splitlines() if "kvmfr" in line)
        modules: list[str] = []
        denied: Missing | None = None
        for pattern in STORES:
            found = host.glob(pattern.format(policy))
            if not isinstance(found, Missing):
                modules.extend(found)
            elif found.hidden:
                denied = found
        later = not enforcing
        return cls(enforcing, contexts, tuple(modules), denied, policy, later)


def _at_boot(config: str | Missing, facts: Facts) -> bool:
    """Tell whether the next boot has it enforced: the arguments win over the file."""
    said = re.search(MODE, config) if isinstance(config, str) else None
    if said is None or said[1] != "enforcing":
        return False
    boot = facts[BootArguments]
    line = boot.now if isinstance(boot.next, Missing) else boot.next
    return "0" not in (line.last("enforcing"), line.last("selinux"))


def policy_of(host: Reader) -> str:
    """Return the name of the policy that is loaded, a folder below /etc/selinux."""
    text = read_text(host, CONFIG, 1 << 16)
    found = re.search(POLICY, text) if isinstance(text, str) else None
    return found[1] if found else "targeted"
