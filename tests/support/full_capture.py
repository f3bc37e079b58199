"""A capture with every file at its limit, full of what is dear to read."""

from __future__ import annotations

from support.fixture_hosts import catalogue
from support.planting import ALL_FILES
from support.planting_templates import COMMANDS
from vfio_doctor.host.budget import FILE_BYTES, OUTPUT_BYTES
from vfio_doctor.host.captured import Capture
from vfio_doctor.host.reader import CommandResult

HOST = "healthy-debian12-looking-glass"
# What a format's readers find most to do with; "": the template itself, repeated.
DEAR = {
    "/etc/udev/rules.d/": 'SUBSYSTEM=="kvmfr", KERNEL=="kv*[a-z]", OWNER="bob", \\\n'
    ' MODE="0660", TAG+="uaccess", GOTO="end"\n',
    "/etc/modprobe.d/": 'options kvmfr static_size_mb=1,2 "x\n#options kvm a=b\n',
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet a=b $GRUB_CMDLINE_LINUX"\n',
    "/etc/libvirt/qemu/": "<domain><devices><hostdev type='pci'><source><address bus="
    "'0x01'/></source></hostdev></devices><!-- kvmfr",
    "/boot/grub/grub.cfg": "menuentry 'x' {\nlinux /v kvmfr.static_size_mb=1\n}\n",
}
NAMES = {"{}": "abc", "{#}": "12345678901"}


def _filled(template: str) -> str:
    for field, word in NAMES.items():
        template = template.replace(field, word)
    return template


def _repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def _content(path: str, template: str) -> bytes:
    unit = next((u for start, u in DEAR.items() if path.startswith(start)), "")
    return _repeated(unit or _filled(template), FILE_BYTES).encode()


def full_capture() -> Capture:
    """Return it: about a hundred files and outputs, and folders of several."""
    capture = catalogue.capture(HOST)
    for path, template in ALL_FILES.items():
        many = ("/etc/udev/rules.d/{}", "/etc/modprobe.d/{}", "/etc/libvirt/qemu/{}")
        for number in range(8 if path.startswith(many) else 1):
            name = path.replace("{}", f"abc{number}")
            capture.files[name] = _content(path, template)
            _list(capture, name)
    for argv, template in COMMANDS.items():
        words = tuple(map(_filled, argv))
        text = _repeated(_filled(template), OUTPUT_BYTES)
        capture.commands[words] = CommandResult(words, 0, text, "")
    return capture


def _list(capture: Capture, path: str) -> None:
    folder, _, name = path.rpartition("/")
    held = capture.lists.get(folder)
    if isinstance(held, tuple):
        capture.lists[folder] = tuple(sorted({*held, name}))
