"""Configuration that a shell reads: known assignments, and the words of the shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, forms, scrub
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.paths import path
from vfio_doctor.host.redaction.public import is_module
from vfio_doctor.host.redaction.public_modules import PARAMETERS
from vfio_doctor.parse import shell_assignment as shell

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

# Variables whose value is a line of kernel arguments.
ARGUMENTS = (
    "GRUB_CMDLINE_LINUX",
    "GRUB_CMDLINE_LINUX_DEFAULT",
    "GRUB_CMDLINE_LINUX_RECOVERY",
    "GRUB_CMDLINE_LINUX_XEN_REPLACE",
    "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT",
    "KERNEL_CMDLINE[default]",
)
_KEYWORDS = listed(
    """
    if then elif else fi case esac for while until do done in . source eval export
    set unset local readonly test true false [ ] [[ ]] : exit return
    """
)
_VARIABLES = listed(
    """
    GRUB_DEFAULT GRUB_TIMEOUT GRUB_TIMEOUT_STYLE GRUB_HIDDEN_TIMEOUT
    GRUB_SAVEDEFAULT GRUB_DISABLE_RECOVERY GRUB_DISABLE_SUBMENU
    GRUB_DISABLE_OS_PROBER GRUB_TERMINAL GRUB_TERMINAL_OUTPUT GRUB_TERMINAL_INPUT
    GRUB_ENABLE_BLSCFG GRUB_ENABLE_CRYPTODISK GRUB_GFXMODE GRUB_GFXPAYLOAD_LINUX
    GRUB_RECORDFAIL_TIMEOUT GRUB_DISABLE_LINUX_UUID GRUB_PRELOAD_MODULES
    GRUB_EARLY_INITRD_LINUX_STOCK GRUB_CMDLINE_XEN GRUB_CMDLINE_XEN_DEFAULT
    KERNEL_CMDLINE MODULES HOOKS BINARIES FILES COMPRESSION MODULES_DECOMPRESS
    add_drivers force_drivers omit_drivers drivers add_dracutmodules
    omit_dracutmodules dracutmodules install_items filesystems hostonly
    hostonly_cmdline compress early_microcode kernel_cmdline reproducible modules
    SELINUX SELINUXTYPE ENABLE_LIMINE_FALLBACK MAX_SNAPSHOT_ENTRIES BOOT_ORDER
    ESP_PATH TARGET_OS_NAME
    """
)
_VALUES = listed(
    """
    yes no true false y n saved hidden menu countdown console gfxterm serial keep
    auto text base udev systemd autodetect microcode modconf kms keyboard keymap
    sd-vconsole consolefont block filesystems fsck encrypt lvm2 resume zstd gzip lz4
    xz part_gpt part_msdos luks cryptodisk lvm enforcing permissive disabled
    targeted mls minimum default strict vfio kvmfr plymouth crypt dm rootfs-block
    ostree 1024x768 1920x1080 /etc/modprobe.d/kvmfr.conf /etc/modprobe.d/vfio.conf
    """
)
_WORD = re.compile(r"""[^\s"'`;|&()<>{}$=\\#,+]+""")


def shell_file(text: str, names: Names) -> str:
    """Return the file with its argument lines kept as far as they are known."""
    spans = _spans(text)
    out, start = [], 0
    for found in spans:
        out.append(_rest(text[start : found.start], names))
        out.append(_value(text[found.start : found.end], found, names))
        start = found.end
    out.append(_rest(text[start:], names))
    return "".join(out)


def _spans(text: str) -> list[shell.Assignment]:
    """Return the assignments of argument lines by place, none inside another."""
    keys = [key for key in ARGUMENTS if key in text]
    found = [each for key in keys for each in shell.assignments(text, key)]
    kept: list[shell.Assignment] = []
    for each in sorted(found, key=lambda a: (a.start, -a.end)):
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return kept


def _value(source: str, found: shell.Assignment, names: Names) -> str:
    if not found.whole:
        return _composite(source, names)
    quote = found.quote
    if not quote:
        return _bare(found, names)
    return f"{quote}{_inner(found, names)}{quote}"


def _inner(found: shell.Assignment, names: Names) -> str:
    out, start = [], 0
    for piece in found.pieces:
        at = found.inner.find(piece.source, start)
        out += [found.inner[start:at], _piece(piece, found, names)]
        start = at + len(piece.source)
    return "".join((*out, found.inner[start:]))


def _bare(found: shell.Assignment, names: Names) -> str:
    """Return a value without quotes; a stand-in needs none either."""
    return "".join(_piece(piece, found, names) for piece in found.pieces)


def _piece(piece: shell.Piece, found: shell.Assignment, names: Names) -> str:
    if piece.source in (f"${found.key}", f"${{{found.key}}}"):
        return piece.source
    if piece.meaning is None:
        return f"${names.name('variable', piece.source)}"
    word = arguments.word(piece.meaning, names)
    return shell.escaped(word, found.quote)


def _composite(source: str, names: Names) -> str:
    """Return a value of several quoted parts, or one whose quote is never closed."""
    return _WORD.sub(lambda found: _argument(found.group(), names), source)


def _argument(text: str, names: Names) -> str:
    known = arguments.is_parameter(text) or text in arguments.FLAGS
    return text if known or forms.is_number(text) else names.hidden(text)


def _rest(text: str, names: Names) -> str:
    """Return what stands between the argument lines, line by line."""
    return "\n".join(_line(line, names) for line in text.split("\n"))


def _line(text: str, names: Names) -> str:
    if text.lstrip().startswith("#"):
        return "#"
    key, equals, _ = text.strip().partition("=")
    known = bool(equals) and key.rstrip("+") in _VARIABLES
    return forms.whole_chains(_scrubbed(text, known, names), names, "hidden")


def _scrubbed(text: str, known: bool, names: Names) -> str:
    out, start, last = [], 0, ""
    for found in _WORD.finditer(text):
        gap = text[start : found.start()]
        parameter = (
            gap == "=" and last in PARAMETERS or gap == "," and last in PARAMETERS
        )
        out.append(gap)
        word = found.group()
        out.append(_word(word, known, parameter, names))
        last = last if gap == "," else word
        start = found.end()
    return "".join((*out, text[start:]))


def _word(text: str, known: bool, parameter: bool, names: Names) -> str:
    plain = text.rstrip("+")
    if plain in _KEYWORDS or plain in _VARIABLES or plain in ARGUMENTS:
        return text
    if plain in names.scripts:
        return path(text, names)
    if (
        plain in PARAMETERS
        or is_module(plain)
        or scrub.is_script(plain)
        or plain.startswith("kvmfr")
        and len(plain) < 7
    ):
        return text
    if (known or parameter) and (forms.is_number(text) or text in _VALUES):
        return text
    if plain.startswith("module_") and is_module(plain[7:].removesuffix("_args")):
        return text
    if plain == "GRUB_CMDLINE_LINUX" or plain in _VALUES and known:
        return text
    return names.hidden(text)
