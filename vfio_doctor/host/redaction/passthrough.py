"""What says that a device is meant for a VM, or is the host's: addresses only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, libvirt, scrub
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.public import is_module
from vfio_doctor.parse import pci
from vfio_doctor.parse.modprobe import loads_itself, loads_kvmfr
from vfio_doctor.parse.pve import Line, hosts, lines, named, parse_mapping
from vfio_doctor.parse.recorded_groups import parse as parse_groups
from vfio_doctor.parse.shell_words import words
from vfio_doctor.parse.systemd_unit import boolean, limit_bytes

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_STATES = frozenset(("connected", "disconnected", "enabled", "disabled", "unknown"))
# More than seven digits are no number of pages that a host has.
_SETTING = re.compile(r"\s*(vm\.nr_(?:overcommit_)?hugepages\s*=\s*\d{1,7})\s*")
_IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_SECTIONS = listed("Unit Service Install Socket Timer Path Mount Automount Slice Scope")
_CAPABILITIES = listed(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN
    DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE
    LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
    NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN
    SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO
    SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
    """
)
# What reserves huge pages is told by its name, wherever it stands.
_RESERVES = "nr_hugepages"
# Settings of a VM of Proxmox VE's, and what they may say.
_PVE = {
    "memory": re.compile(r"(?:current=)?\d{1,8}"),
    "hugepages": re.compile(r"2|1024|any"),
    "numa": re.compile(r"[01]"),
    "onboot": re.compile(r"[01]"),
    "keephugepages": re.compile(r"[01]"),
    "balloon": re.compile(r"\d{1,8}"),
    "cores": re.compile(r"\d{1,4}"),
    "sockets": re.compile(r"\d{1,2}"),
    "bios": re.compile(r"ovmf|seabios"),
    "machine": re.compile(
        r"(?:type=)?(?:q35|pc)(?:-(?:i440fx|q35)-\d{1,2}\.\d{1,2}(?:\+pve\d{1,2})?)?"
    ),
    "cpu": re.compile(r"(?:cputype=)?(?:host|max|kvm64|x86-64-v[1-4](?:-AES)?)"),
}
_FIRST = ("cpu", "machine", "memory")
# systemd reads over sections that begin like this.
_OTHER_SECTION = "[X-Hidden]"
_OTHER_CAPABILITY = "CAP_HIDDEN"
# More than any host has, and judged like no limit.
_NO_LIMIT = 1 << 50


def unit(text: str, names: Names) -> str:
    """Return what a unit says of rights, limits and kvmfr; other lines stay empty."""
    found = [_unit_line(line.strip()) for line in text.splitlines()]
    names.leave_out("line of a unit", found.count(""))
    return "".join(f"{line}\n" for line in found)


def _unit_line(line: str) -> str:
    if line.startswith("[") and line.endswith("]"):
        return line if line[1:-1] in _SECTIONS else _OTHER_SECTION
    key, equals, value = (part.strip() for part in line.partition("="))
    if equals and loads_kvmfr(line):
        return "ExecStart=modprobe kvmfr"
    if equals and key == "LimitMEMLOCK":
        return f"{key}={_limit(value)}"
    if equals and key in ("PrivateDevices", "ProtectKernelModules"):
        said = boolean(value)
        return f"{key}=hidden" if said is None else f"{key}={'yes' if said else 'no'}"
    if equals and key == "CapabilityBoundingSet":
        mark = "~" if value.startswith("~") else ""
        words = (_capability(word) for word in value.lstrip("~").split())
        return f"{key}={mark}{' '.join(words)}"
    return ""


def _limit(value: str) -> str:
    """Return a limit in KiB, which is how it is judged; no other word is kept."""
    held = limit_bytes(value)
    if held is None:
        return "hidden"
    return "infinity" if held >= _NO_LIMIT else f"{held >> 10}K"


def _capability(word: str) -> str:
    is_known = word.removeprefix("CAP_") in _CAPABILITIES and word.startswith("CAP_")
    return word if is_known else _OTHER_CAPABILITY


def script(text: str, names: Names) -> str:
    """Return a script's overrides, and nothing else that it does."""
    lines = text.splitlines()
    addresses = pci.overridden(text)
    kept = [
        f"echo vfio-pci > /sys/bus/pci/devices/{a}/driver_override" for a in addresses
    ]
    if loads_itself(text):
        kept.append("modprobe -i vfio-pci")
    live = [line for line in lines if not line.lstrip().startswith(("#", ";"))]
    if any(_RESERVES in line for line in live):
        kept.append(f"echo {_RESERVES}")
    if loads_kvmfr(text):
        kept.append("modprobe kvmfr")
    names.leave_out("line of a script", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in ("#!/bin/sh", *kept))


def image_hook(text: str, names: Names) -> str:
    """Return what puts files into an initramfs: which scripts, and which modules."""
    return "".join(f"{_hook_line(line, names)}\n" for line in text.splitlines())


def _hook_line(line: str, names: Names) -> str:
    if line.lstrip().startswith("#"):
        return "#"
    words = (word.strip("\"';") for word in line.split())
    known = (word for word in words if is_module(word) or word in names.scripts)
    return " ".join(scrub.word(word, names) for word in known)


def connector(text: str, names: Names) -> str:
    """Return whether a display is connected, or in use."""
    return scrub.words(text, names, _STATES)


def settings(text: str, names: Names) -> str:
    """Return the huge pages of a sysctl file."""
    lines = text.splitlines()
    found = [m.group(1) for m in map(_SETTING.fullmatch, lines) if m]
    return _kept("line of settings", len(lines), found, names)


def sysfs(text: str, names: Names) -> str:
    """Return the overrides of a sysfsutils file."""
    lines = text.splitlines()
    found = [shown for line in lines if (shown := _override(line))]
    return _kept("line of settings", len(lines), found, names)


def _override(line: str) -> str:
    """Return an override: of a function's address, by a driver that others have."""
    key, _, value = line.partition("=")
    *_, address, name = ("", *key.strip().split("/"))
    if name != "driver_override" or not pci.is_address(address):
        return ""
    driver = value.strip()
    if not is_module(driver):
        driver = "vfio-pci" if pci.is_vfio_driver(driver) else ""
    return f"bus/pci/devices/{address}/{name} = {driver}" if driver else ""


def _kept(what: str, count: int, found: list[str], names: Names) -> str:
    names.leave_out(what, count - len(found))
    return "".join(f"{line}\n" for line in found)


def proxmox(text: str, names: Names) -> str:
    """Return what a VM of Proxmox VE gets: functions, memory, and files it maps."""
    found = [shown for line in lines(text) if (shown := _pve_line(line, names))]
    return _kept("line of a VM", text.count("\n"), found, names)


def _pve_line(line: Line, names: Names) -> str:
    if line.passes:
        addresses = ";".join(hosts(line.value))
        mapped = (f"mapping={_mapping(name, names)}" for name in named(line.value))
        said = ",".join(filter(None, (addresses, *mapped)))
        return f"{line.key}: {said}" if said else ""
    if line.key == "args":
        held = (libvirt.qemu_word(word.value, names) for word in words(line.value))
        return f"args: {' '.join(held)}"
    form = _PVE.get(line.key)
    # What follows are properties, which no lint reads.
    value = line.value.partition(",")[0] if line.key in _FIRST else line.value
    if form and form.fullmatch(value):
        return f"{line.key}: {value}"
    return f"{line.key}: custom-hidden" if line.key == "cpu" and value else ""


def pve_mappings(text: str, names: Names) -> str:
    """Return which functions Proxmox's mappings stand for, on nodes with stand-ins."""
    found = []
    for name, lines_ in parse_mapping(text).items():
        found.append(_mapping(name, names))
        for one in lines_:
            node = names.name("host", one.node)
            found.append(f"\tmap node={node},path={';'.join(one.addresses)}")
    return "".join(f"{line}\n" for line in found)


def _mapping(name: str, names: Names) -> str:
    return names.name("name", name)


def groups(text: str, names: Names) -> str:
    """Return the groups that a set-up has recorded: addresses, ids and numbers."""
    found = [one.line for one in parse_groups(text)]
    return _kept("line of groups", len(text.splitlines()), found, names)


def unraid(text: str, names: Names) -> str:
    """Return the list of functions that Unraid binds."""
    pairs = (line.partition("=") for line in text.splitlines())
    words = [w for key, _, said in pairs if key.strip() == "BIND" for w in said.split()]
    found = [shown for word in words if (shown := _bound(word))]
    names.leave_out("word", len(text.split()) - len(found))
    return f"BIND={' '.join(found)}\n"


def _bound(word: str) -> str:
    """Return an address, with the ids behind it if they are some."""
    address, bar, ids = word.lower().partition("|")
    if not pci.is_address(address):
        return ""
    return f"{address}{bar}{ids}" if _IDS.fullmatch(ids) else address


def routes(text: str, names: Names) -> str:
    """Return the default routes: through which card, and no address."""
    head, *lines = text.splitlines() or [""]
    rows = [line.split() for line in lines]
    kept = [r for r in rows if len(r) > 7 and r[1] == r[7] == "00000000"]
    names.leave_out("route", len(lines) - len(kept))
    zero = "00000000"
    shown = [
        "\t".join((scrub.word(r[0], names), zero, zero, "0003", "0", "0", "0", zero))
        for r in kept
    ]
    return "".join(f"{line}\n" for line in (scrub.words(head, names), *shown))


def swaps(text: str, names: Names) -> str:
    """Return which disks are in use as swap, and nothing of files."""
    lines = text.splitlines()[1:]
    found = [
        f"{arguments.disk(line.split()[0], names)} partition 1 0 -2"
        for line in lines
        if line.startswith("/dev/")
    ]
    names.leave_out("mount", len(lines) - len(found))
    return "".join(f"{line}\n" for line in ("Filename Type Size Used Priority", *found))
