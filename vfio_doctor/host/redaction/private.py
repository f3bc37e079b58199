"""Find every private value of a capture, by what each part of it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import CommandResult, Missing, Stat
from vfio_doctor.host.redaction import secrets
from vfio_doctor.parse.cmdline import words as cmdline_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.host.captured import Capture
    from vfio_doctor.host.redaction.secrets import Secret

HOOKS = "/etc/libvirt/hooks/"
# The identifiers in these names are the firmware's and systemd's: all hosts have
# the same, and the boot stack is told by them.
EFI_VARIABLES = "/sys/firmware/efi/efivars"
HOST_NAMES = ("/etc/hostname", "/proc/sys/kernel/hostname")
MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
HOMES = ("/home", "/var/home", "/run/media", "/media")
# Homebrew's on Linux, and what a file system repair makes.
PUBLIC_HOMES = ("linuxbrew", "lost+found", "root")
SERIAL_FILES = ("serial", "product_serial", "board_serial", "chassis_serial")
ASSET_TAGS = ("product_uuid", "chassis_asset_tag", "board_asset_tag")
# In these four numbers are a version, and the addresses are the authors'.
PUBLIC_FILES = ("/os-release", "/image-info.json", "/modules.dep", "/modules.builtin")
SYSTEM_PROGRAMS = ("modinfo", "bootctl")


def find(capture: Capture) -> tuple[Secret, ...]:
    """Return every private value once, the longest first; equal in any case."""
    seen: dict[tuple[str, str], Secret] = {}
    public = {"user": _system(capture, "passwd"), "group": _system(capture, "group")}
    for secret in _all(capture):
        text = secret.text.strip()
        account = text in public.get(secret.kind, ())
        if len(text) > 1 and not account and _is_worth(secret.kind, text):
            seen.setdefault((secret.kind, text.lower()), secret._replace(text=text))
    return tuple(sorted(seen.values(), key=lambda s: (-len(s.text), s.text, s.kind)))


def _system(capture: Capture, database: str) -> frozenset[str]:
    """Return the accounts that belong to no person."""
    texts = [
        content.decode("utf-8", "replace")
        for path, content in capture.files.items()
        if path.endswith(f"/{database}") and isinstance(content, bytes)
    ]
    return frozenset(name for text in texts for name in secrets.system_accounts(text))


def _is_worth(kind: str, text: str) -> bool:
    if kind in ("serial", "disk"):
        return secrets.is_serial(text)
    return kind != "user" or not text.isdigit()


def _all(capture: Capture) -> Iterator[Secret]:
    for path, content in capture.files.items():
        yield from _in_path(path)
        if isinstance(content, bytes) and not is_hook(path):
            yield from _in_file(path, content)
    for path, stat in capture.stats.items():
        yield from _in_path(path)
        if isinstance(stat, Stat):
            yield from _in_stat(stat)
    for path, names in capture.lists.items():
        yield from _in_path(path)
        if not isinstance(names, Missing):
            yield from _in_list(path, names)
    for argv, result in capture.commands.items():
        if isinstance(result, CommandResult):
            yield from _in_command(argv, result)
        yield from _in_argv(argv)
    yield from _in_devices(capture)


def _in_devices(capture: Capture) -> Iterator[Secret]:
    for devices in capture.udev.values():
        for device in devices if not isinstance(devices, Missing) else ():
            yield from secrets.in_properties(device.properties)
            yield from _in_path(f"{device.sys_path}\n{device.device_node}")
            for _, value in device.properties:
                yield from secrets.anywhere(value)


def _in_path(path: str) -> Iterator[Secret]:
    """Yield what a path tells; most paths of a host tell nothing."""
    system = path.startswith(("/sys/", "/proc/", "/usr/")) and ":" not in path
    if not system and not path.startswith(EFI_VARIABLES):
        yield from secrets.anywhere(path)


def text_of(path: str, content: bytes) -> str:
    """Return a file as text; a variable of the firmware is UTF-16 behind 4 bytes."""
    if path.startswith(EFI_VARIABLES) and len(content) > 5:
        return content[4:].decode("utf-16-le", "surrogatepass")
    return content.decode("utf-8", "surrogateescape")


def _in_file(path: str, content: bytes) -> Iterator[Secret]:
    try:
        text = text_of(path, content)
    except UnicodeDecodeError:
        text = content.decode("utf-8", "surrogateescape")
    name = path.rpartition("/")[2]
    if path in HOST_NAMES:
        yield from secrets.in_hostname(text)
    elif path in MACHINE_IDS:
        yield from secrets.in_machine_id(text)
    elif path.startswith("/sys/") and name in (*SERIAL_FILES, *ASSET_TAGS):
        yield from secrets.in_serial(text)
    else:
        yield from _in_configuration(path, name, text)
    if not path.endswith(PUBLIC_FILES):
        yield from secrets.anywhere(text)


def _in_configuration(path: str, name: str, text: str) -> Iterator[Secret]:
    if name == "passwd":
        yield from secrets.in_passwd(text)
    elif name == "group":
        yield from secrets.in_group(text)
    elif path == "/etc/hosts":
        yield from secrets.in_hosts(text)
    elif "/libvirt/qemu/" in path and name.endswith(".xml"):
        yield from secrets.in_domain(text)
        yield secrets.Secret("vm", name.removesuffix(".xml"))
    elif _has_arguments(path):
        yield from _in_lines(text)


def _has_arguments(path: str) -> bool:
    places = ("/loader/", "grub", "limine", "kernelstub", "/etc/kernel/", "cmdline")
    return any(place in path for place in places)


def _in_lines(text: str) -> Iterator[Secret]:
    for line in text.splitlines():
        if "=" in line:
            yield from secrets.in_words(cmdline_words(line))


def _in_stat(stat: Stat) -> Iterator[Secret]:
    if secrets.is_person(stat.uid) and stat.user:
        yield secrets.Secret("user", stat.user)
    if secrets.is_person(stat.gid) and stat.group:
        yield secrets.Secret("group", stat.group)
    if stat.target:
        yield from _in_path(stat.target)


def _in_list(path: str, names: Iterable[str]) -> Iterator[Secret]:
    for name in names:
        yield from _in_name(path, name)
    if not path.startswith((EFI_VARIABLES, "/sys/bus/pci", "/sys/kernel")):
        yield from secrets.anywhere("\n".join(names))


def _in_name(folder: str, name: str) -> Iterator[Secret]:
    """Yield what a name tells by the folder that it is in."""
    if folder.startswith("/dev/disk/by-"):
        yield from secrets.disk_name(folder.removeprefix("/dev/disk/by-"), name)
    elif folder in HOMES and name not in PUBLIC_HOMES:
        yield secrets.Secret("user", name)
    elif folder == f"{HOOKS}qemu.d":
        yield secrets.Secret("vm", name)
    elif folder.startswith("/etc/libvirt/qemu") and "/networks" not in folder:
        if name.endswith(".xml"):
            yield secrets.Secret("vm", name.removesuffix(".xml"))
    elif folder.endswith("/system-connections"):
        yield secrets.Secret("ssid", name.removesuffix(".nmconnection"))


def _in_argv(argv: tuple[str, ...]) -> Iterator[Secret]:
    if argv[:2] == ("id", "-G"):
        yield secrets.Secret("user", argv[2])


def _in_command(argv: tuple[str, ...], result: CommandResult) -> Iterator[Secret]:
    text = f"{result.stdout}\n{result.stderr}"
    if argv[:2] == ("getent", "passwd"):
        yield from secrets.in_passwd(text)
    elif argv[:2] == ("getent", "group"):
        yield from secrets.in_group(text)
    elif "list" in argv and argv[0] == "virsh":
        for line in result.stdout.splitlines():
            yield secrets.Secret("vm", line.strip())
    elif argv[0] in ("dmesg", "journalctl"):
        yield from secrets.in_log(text)
    if argv[0] not in SYSTEM_PROGRAMS and "--version" not in argv:
        yield from _in_lines(text)
        yield from secrets.anywhere(text)


def is_hook(path: str) -> bool:
    """Tell whether this is a script of the host's own, whose content is private."""
    return path.startswith(HOOKS)
