"""Text of a host in a command that a person may paste: quoted for the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What a command between backticks starts with, if it is one for the shell.
SHELL_WORDS = frozenset(
    ("cat", "chmod", "echo", "flatpak", "getent", "getfacl", "grep", "ls", "lspci")
    + ("modinfo", "rpm-ostree", "sudo", "systemctl", "test", "udevadm", "vfio-doctor")
    + ("virsh",)
)
SAFE_SIGNS = frozenset("@%_-+=:,./")


def in_commands(parts: list[str]) -> Iterator[bool]:
    """Yield of each field of a template whether it stands in a shell command."""
    before = parts[0]
    for part in parts[1:]:
        span = before.rpartition("`")[2]
        yield before.count("`") % 2 == 1 and span.partition(" ")[0] in SHELL_WORDS
        before += part.partition("}")[2]


def shell_quoted(text: str) -> str:
    """Return a text of the host as one word, or a part of one, for the shell."""
    bare = text.translate(dict.fromkeys(map(ord, SAFE_SIGNS)))
    if text and text.isascii() and (bare.isalnum() or not bare):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"
