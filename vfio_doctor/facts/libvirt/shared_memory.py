"""The file of plain shared memory, and who may open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, Group, HumanUser, User
from vfio_doctor.facts.base import NotApplicable, known
from vfio_doctor.facts.init import Init
from vfio_doctor.facts.kvmfr.client import ClientSettings
from vfio_doctor.facts.node import may_open
from vfio_doctor.facts.qemu_user import QemuUser
from vfio_doctor.facts.vm_host import HostFiles
from vfio_doctor.facts.vms import Vm, Vms
from vfio_doctor.host.reader import Kind, Missing, Stat, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader

NAME, FOLDER = "looking-glass", "/dev/shm/"
SHARED_FILE = f"{FOLDER}{NAME}"
OWN_FILE = "/etc/tmpfiles.d/10-looking-glass.conf"
FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d")
NO_VM = say(
    "libvirt-no-shared-memory",
    "no VM of the system instance has plain shared memory for Looking Glass",
)


class TmpfilesLine(NamedTuple):
    """A line of tmpfiles.d that makes the file: its mode, owner and group.

    ``text`` is the whole of its file.
    """

    path: str
    line: int
    raw: str
    mode: str
    owner: str
    group: str
    text: str = ""

    @property
    def place(self) -> str:
        """Return where it stands."""
        return f"{self.path}:{self.line}"

    def makes(self, accounts: Accounts, person: HumanUser) -> Stat | None:
        """Return the file that it makes, None if it names an account that is not here.

        ``-`` is root, and 0644 for the mode; marks may stand before the mode.
        """
        named = self.owner == person.name
        uid = person.uid if named else _number(self.owner, accounts.user(self.owner))
        gid = _number(self.group, accounts.group(self.group))
        mode = self.mode.lstrip("~:")
        bits = int(mode, 8) if mode and not set(mode) - set("01234567") else 0o644
        if uid is None or gid is None:
            return None
        return Stat(Kind.FILE, bits, uid, gid, self.owner, self.group)


def _number(word: str, account: User | Group | None) -> int | None:
    if word == "-":
        return 0
    if account is not None:
        return account.uid if isinstance(account, User) else account.gid
    return whole(word)


class LookingGlassMemory(NamedTuple):
    """``/dev/shm/looking-glass``: the VMs, the file, and what makes it at boot.

    If the client is told to read a file of another name that a VM shares, that counts.
    If it is told nothing (``guessed``), the only memory of a picture's size does.

    ``stat`` is what the file is, links followed, and Missing (absent) before the first
    start of the VM. ``line`` is that of tmpfiles.d that is in force; ``hidden`` may
    have one, and may not be read.
    """

    vms: tuple[Vm, ...]
    unread: tuple[Missing, ...]
    stat: Stat | Missing
    line: TmpfilesLine | None
    hidden: Missing | None = None
    name: str = NAME
    guessed: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LookingGlassMemory:
        """Look for the VMs first: without one nobody needs the file."""
        found = facts[Vms]
        having = [vm for vm in found.vms if vm.of_system and shared_names(vm)]
        name, unread, guessed = _name(having, facts) if having else (NAME, (), False)
        vms = tuple(vm for vm in having if name in shared_names(vm))
        unread = (*found.unread, *unread)
        if not vms:
            return cls((), unread, Missing(SHARED_FILE, Why.ABSENT), None)
        hidden: list[Missing] = []
        reads = facts[Init].tmpfiles
        line = _line(host, f"{FOLDER}{name}", hidden) if reads else None
        # A link to a kvmfr device serves as the device does.
        seen = host.lstat(facts[HostFiles].resolved(f"{FOLDER}{name}"))
        denied = hidden[0] if hidden else None
        return cls(vms, unread, seen, line, denied, name, guessed)

    @property
    def path(self) -> str:
        """Return the file."""
        return f"{FOLDER}{self.name}"

    @property
    def file(self) -> str:
        """Return the administrator's file that makes it, or should.

        One of the same name in /etc hides that of a package, or of /run.
        """
        if self.line is None:
            return OWN_FILE
        return f"{FOLDERS[0]}/{self.line.path.rpartition('/')[2]}"

    @property
    def is_of_package(self) -> bool:
        """Tell whether the line stands in a file that only others write."""
        return self.line is not None and self.line.path != self.file

    def demand(self) -> None:
        """Raise `NotApplicable` if no VM has it, `MissingFact` if one may."""
        if self.vms:
            return
        for missing in self.unread:
            known(missing)
        raise NotApplicable(NO_VM)

    def opens_for(self, person: HumanUser | QemuUser) -> bool | None:
        """Tell whether an account may read and write it; None if it is not there."""
        if isinstance(self.stat, Missing) and self.stat.why is Why.ABSENT:
            return None
        stat = known(self.stat)
        usable = stat.kind in (Kind.FILE, Kind.CHAR)
        return usable and may_open(stat, person.uid, person.gids)


def shared_names(vm: Vm) -> tuple[str, ...]:
    """Return the files of /dev/shm that a VM shares: ``<shmem>``, or mapped by hand."""
    by_hand = (
        mapped.path.removeprefix(FOLDER)
        for mapped in vm.shared.mapped
        if mapped.shown and mapped.path.startswith(FOLDER)
    )
    return (*vm.shared.shmem, *by_hand)


def _name(having: list[Vm], facts: Facts) -> tuple[str, tuple[Missing, ...], bool]:
    """Return the name of the memory that is Looking Glass's, and what may say another.

    Which of a VM's is meant, its own name says, or the client's settings. If neither
    does, it may be the only one that is large enough, which is a guess.
    """
    names = {name for vm in having for name in shared_names(vm)}
    client = facts[ClientSettings]
    said = client.setting.device if client.setting else ""
    other = said.removeprefix(FOLDER)
    if said.startswith(FOLDER) and other in names:
        return other, (), False
    large = {name for vm in having for name in vm.shared.frames}
    maps = any(vm.shared.mapped for vm in having)
    if NAME in names or said or client.unread or maps or len(large) != 1:
        return NAME, () if NAME in names else client.unread, False
    return large.pop(), (), True


def _line(host: Reader, path: str, hidden: list[Missing]) -> TmpfilesLine | None:
    """Return the first line for the file; of two files of one name the first counts.

    What may not be looked at is added to ``hidden``.
    """
    names: dict[str, str] = {}
    for folder in FOLDERS:
        listed = host.list(folder)
        hidden += _denied(listed)
        for name in () if isinstance(listed, Missing) else listed:
            if name.endswith(".conf") and (folder == FOLDERS[0] or NAME in name):
                names.setdefault(name, f"{folder}/{name}")
    for name in sorted(names):
        text = read_text(host, names[name], 1 << 16)
        hidden += _denied(text)
        for number, raw in enumerate(
            () if isinstance(text, Missing) else text.split("\n"), 1
        ):
            words = raw.split()
            if len(words) > 1 and words[0][:1] in "fF" and words[1] == path:
                mode, owner, group = ([*words[2:5], "-", "-", "-"])[:3]
                said = (names[name], number, raw, mode, owner, group, str(text))
                return TmpfilesLine(*said)
    return None


def _denied(seen: object) -> list[Missing]:
    return [seen] if isinstance(seen, Missing) and seen.hidden else []


def tmpfiles_line(facts: Facts) -> str:
    """Return the line that makes the file for the person and for QEMU's group."""
    qemu, kvm = facts[QemuUser], facts[Accounts].group("kvm")
    group = "kvm" if kvm and kvm.gid in qemu.gids else qemu.group
    path = facts[LookingGlassMemory].path
    return f"f {path} 0660 {facts[HumanUser].name} {group} -"
