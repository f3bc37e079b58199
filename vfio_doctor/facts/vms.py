"""Definitions of VMs: libvirt's of the system and of the person, and Proxmox's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import Accounts, HumanUser
from vfio_doctor.facts.base import MissingFact, NotApplicable
from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.domain_memory import SharedMemory
from vfio_doctor.parse.pci import slot
from vfio_doctor.places import VmPlace
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.domain import VmFunction
    from vfio_doctor.parse.xml_tree import Document, Refused

SYSTEM = "/etc/libvirt/qemu"
ACCOUNTS = "/etc/passwd"
HOOK = "/etc/libvirt/hooks/qemu"
# libvirt's instance of the person, and those inside of two Flatpak programs.
SESSION = (
    ".config/libvirt/qemu",
    ".var/app/org.virt_manager.virt-manager/config/libvirt/qemu",
    ".var/app/org.gnome.Boxes/config/libvirt/qemu",
)
PROXMOX = "/etc/pve/qemu-server"
LARGEST = 1 << 18
KEPT, MOST = 1 << 16, 100
NO_VMS = say("vm-none-defined", "no VM of libvirt's is defined here")
NO_XML = say(
    "vm-definition-broken", "it is no XML that can be read: a part is missing or wrong"
)
NO_DOMAIN = say("vm-not-a-definition", "not a VM definition that can be read")


class Vm(NamedTuple):
    """One VM that is defined here, running or not.

    ``page_kib`` is None if it asks for no huge pages, 0 for the default size. An
    address of ``functions`` that ends in no function stands for a whole slot.
    ``limit_kib`` is all that QEMU may lock, 0 if that is libvirt's to say.
    ``own_page_kib`` is like ``page_kib``, of pages that Proxmox reserves by itself when
    the VM starts, if the VM has ``numa``. ``onboot``: Proxmox starts it with the host.
    """

    name: str
    path: str
    functions: tuple[VmFunction, ...]
    memory_kib: int = 0
    page_kib: int | None = None
    shared: SharedMemory = SharedMemory()
    emulator: str = ""
    limit_kib: int = 0
    own_page_kib: int | None = None
    numa: bool = False
    onboot: bool = False

    @property
    def of_proxmox(self) -> bool:
        """Tell whether Proxmox VE starts it."""
        return self.path.startswith(f"{PROXMOX}/")

    @property
    def number(self) -> str:
        """Return the number that Proxmox VE knows it by, "" for libvirt's."""
        name = self.path.removeprefix(f"{PROXMOX}/").removesuffix(".conf")
        return name if self.of_proxmox else ""

    @property
    def of_system(self) -> bool:
        """Tell whether libvirt's system instance starts it."""
        return self.path.startswith(f"{SYSTEM}/")

    def gets(self, bdf: str) -> bool:
        """Tell whether it gets a function, by itself or as part of its slot."""
        return any(one.address in (bdf, slot(bdf)) for one in self.functions)

    @property
    def place(self) -> VmPlace:
        """Return the VM as a finding's place."""
        return VmPlace(self.name, self.path)

    @property
    def of_person(self) -> bool:
        """Tell whether libvirt's instance of one person runs it, with their rights."""
        return of_person(self.path)


def of_person(path: str) -> bool:
    """Tell whether a definition lies where libvirt's instance of one person has its."""
    return any(f"/{folder}/" in path for folder in SESSION)


class Vms(NamedTuple):
    """All VMs that could be read; ``unread`` are files and folders that could not."""

    vms: tuple[Vm, ...] = ()
    unread: tuple[Missing, ...] = ()

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Vms:
        """Read every definition; a host without any has neither."""
        unread: list[Missing] = []
        found = [
            vm
            for folder in (SYSTEM, *_session(facts, unread))
            for vm in _libvirt(host, facts, folder, unread)
        ]
        return cls((*found, *_proxmox(host, facts, unread)), tuple(unread))

    def having(self, bdf: str) -> tuple[str, ...]:
        """Return the names of those that get a function."""
        return tuple(vm.name for vm in self.vms if vm.gets(bdf))


def demand_vms(facts: Facts) -> None:
    """Raise `NotApplicable` if no VM is defined, `MissingFact` if that is hidden.

    Whose home a session's VMs are in is told by the accounts.
    """
    found = facts[Vms]
    if found.vms or found.unread:
        return
    try:
        _ = facts[Accounts]
    except MissingFact as missing:
        if missing.hidden:
            raise
    raise NotApplicable(NO_VMS)


class MappedBy(NamedTuple):
    """Which VMs of libvirt's system instance map a file; see `of`."""

    names: dict[str, tuple[str, ...]]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> MappedBy:
        """Take them from the definitions."""
        found: dict[str, dict[str, None]] = {}
        for vm in facts[Vms].vms:
            for mapped in vm.shared.mapped if vm.of_system else ():
                found.setdefault(mapped.path, {})[vm.name] = None
        return cls({path: tuple(names) for path, names in found.items()})

    def of(self, path: str) -> tuple[str, ...]:
        """Return the names of those that map a file."""
        return self.names.get(path, ())


class LibvirtHooks(NamedTuple):
    """Scripts that libvirt runs before a VM starts and after it has ended."""

    paths: tuple[str, ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> LibvirtHooks:
        """Look for them; what they do is not read."""
        found = host.glob(f"{HOOK}.d/*")
        more = () if isinstance(found, Missing) else found
        main = () if isinstance(host.lstat(HOOK), Missing) else (HOOK,)
        return cls((*main, *more))


def _session(facts: Facts, unread: list[Missing]) -> Iterator[str]:
    try:
        user = facts[Accounts].user(facts[HumanUser].name)
    except MissingFact as missing:
        if missing.hidden and missing.why:
            unread.append(Missing(ACCOUNTS, missing.why, missing.message))
        return
    if user is not None and user.home.startswith("/"):
        yield from (f"{user.home.rstrip('/')}/{folder}" for folder in SESSION)


def _paths(
    host: Reader, folder: str, ending: str, unread: list[Missing]
) -> Iterator[str]:
    names = host.list(folder)
    if isinstance(names, Missing):
        _note(names, unread)
        return
    yield from (f"{folder}/{name}" for name in names if name.endswith(ending))


def _note(missing: Missing, unread: list[Missing]) -> None:
    if missing.why not in (Why.ABSENT, Why.NOT_CAPTURED):
        unread.append(missing)


class Definitions(NamedTuple):
    """libvirt's definitions, each read when it is asked for.

    Small ones are kept: the host's report asks twice. A host's large ones, or those of
    a hostile capture, would not fit into memory together.
    """

    host: Reader
    kept: dict[str, Document]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> Definitions:
        """Read nothing yet."""
        return cls(host, {})

    def read(self, path: str) -> Document | Refused | Missing:
        """Return the elements of a definition, or why there are none."""
        from vfio_doctor.parse.vm_form import LARGEST
        from vfio_doctor.parse.xml_tree import Document, read

        if path in self.kept:
            return self.kept[path]
        data = self.host.read_bytes(path, LARGEST)
        if isinstance(data, Missing):
            return data
        found = read(data)
        if isinstance(found, Document) and len(data) <= KEPT and len(self.kept) < MOST:
            self.kept[path] = found
        return found


def _libvirt(
    host: Reader, facts: Facts, folder: str, unread: list[Missing]
) -> Iterator[Vm]:
    for path in _paths(host, folder, ".xml", unread):
        from vfio_doctor.parse.domain import domain_of
        from vfio_doctor.parse.xml_tree import Refused

        document = facts[Definitions].read(path)
        if isinstance(document, Missing):
            _note(document, unread)
            continue
        found = domain_of(document)
        if found is None:
            is_broken = isinstance(document, Refused) and document.broken
            why = NO_XML if is_broken else NO_DOMAIN
            unread.append(Missing(path, Why.FAILED, why))
        else:
            named = found.name or path.rpartition("/")[2].removesuffix(".xml")
            yield Vm(named, path, *found[1:])


def _proxmox(host: Reader, facts: Facts, unread: list[Missing]) -> Iterator[Vm]:
    """Yield Proxmox's; it binds functions and reserves huge pages by itself."""
    for path in _paths(host, PROXMOX, ".conf", unread):
        # Most hosts have none, and pay for none.
        from vfio_doctor.facts.pve_mappings import PveMappings
        from vfio_doctor.parse.domain import VmFunction
        from vfio_doctor.parse.pve import parse_pve

        text = read_text(host, path, LARGEST)
        if isinstance(text, Missing):
            _note(text, unread)
            continue
        found = parse_pve(text)
        mapped: list[str] = []
        for name in found.mapped:
            mappings = facts[PveMappings]
            if mappings.unread:
                _note(mappings.unread, unread)
            mapped += (a for choice in mappings.of(name) or () for a in choice)
        functions = (VmFunction(a, True) for a in (*found.addresses, *mapped))
        number = path.rpartition("/")[2].removesuffix(".conf")
        yield Vm(
            found.name or number,
            path,
            tuple(functions),
            found.memory_kib,
            shared=SharedMemory(found.shared),
            own_page_kib=found.page_kib,
            numa=found.numa,
            onboot=found.onboot,
        )
