"""Configured kernel arguments: what the next run of a boot tool would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, Why, read_text
from vfio_doctor.parse import shell_assignment as shell
from vfio_doctor.parse.cmdline import words

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader

GRUB_DEFAULT = "/etc/default/grub"
GRUB_DROP_INS = "/etc/default/grub.d/*.cfg"
KEYS = ("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
KERNEL_CMDLINE = "/etc/kernel/cmdline"
KERNELSTUB = "/etc/kernelstub/configuration"
LIMINE_DEFAULT = "/etc/default/limine"
LIMINE_KEY = "KERNEL_CMDLINE[default]"


def grub_files(host: Reader) -> tuple[str, ...]:
    """Return the files that GRUB's menu maker sources, in their order."""
    drop_ins = host.glob(GRUB_DROP_INS)
    return (GRUB_DEFAULT, *(() if isinstance(drop_ins, Missing) else drop_ins))


def grub_words(host: Reader) -> tuple[str, ...] | Missing:
    """Return the words that the next run of update-grub writes."""
    values: dict[str, list[str]] = {key: [] for key in KEYS}
    for path in grub_files(host):
        data = host.read_bytes(path)
        if isinstance(data, Missing):
            return data
        for key in KEYS:
            for found in shell.assignments(
                data.decode("utf-8", "surrogateescape"), key
            ):
                held = _extended(found, key, values[key])
                if held is None:
                    return Missing(path, Why.FAILED, f"only a shell can read {key}")
                values[key] = held
    return tuple(word for key in KEYS for word in values[key])


def _extended(found: shell.Assignment, key: str, so_far: list[str]) -> list[str] | None:
    if not found.whole:
        return None
    out: list[str] = list(so_far) if found.operator == "+=" else []
    for piece in found.pieces:
        if piece.source in (f"${key}", f"${{{key}}}"):
            out.extend(so_far)
        elif piece.meaning is None:
            return None
        else:
            out.append(piece.meaning)
    return out


def kernelstub_words(host: Reader) -> tuple[str, ...] | Missing:
    """Return the user's options in kernelstub's JSON configuration."""
    text = read_text(host, KERNELSTUB)
    if isinstance(text, Missing):
        return text
    import json

    try:
        options = json.loads(text)["user"]["kernel_options"]
    except (ValueError, KeyError, TypeError):
        return Missing(KERNELSTUB, Why.FAILED, "no user.kernel_options in it")
    if isinstance(options, str):
        return words(options)
    return tuple(str(word) for word in options)


def limine_words(host: Reader) -> tuple[str, ...] | Missing:
    """Return the words that the next run of limine-update writes."""
    data = host.read_bytes(LIMINE_DEFAULT)
    if isinstance(data, Missing):
        return data
    held: list[str] = []
    for found in shell.assignments(_text(data), LIMINE_KEY):
        if found.words is None:
            return Missing(
                LIMINE_DEFAULT, Why.FAILED, f"only a shell can read {LIMINE_KEY}"
            )
        held = [*(held if found.operator == "+=" else []), *found.words]
    return tuple(held)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
