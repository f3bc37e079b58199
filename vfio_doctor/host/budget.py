"""Keep a capture small: what is cut says so where it was cut.

What the diagnosis has read is never cut, but for the kernel log, of which every
line stays that the diagnosis can draw conclusions from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from collections.abc import Collection

    from vfio_doctor.host.captured import Capture

FILE_BYTES = 64 << 10
OUTPUT_BYTES = 160 << 10
# Compressed; with lists, records and reports beside it an archive stays below 1 MiB.
FILES_PACKED = 640 << 10
EDGE_LINES = 300
TELLING = (
    *("kvmfr", "vfio", "kvm", "iommu", "dmar", "amd-vi", "ivrs", "ivhd", "remapping"),
    *("module", "secure boot", "lockdown", "command line", "efi:", "dmi:", "simpledrm"),
    *("bar ", "can't reserve", "no suitable", "vmx", "svm", "x2apic", "udev"),
)
TELLING_BYTES = 320 << 10
LEFT_OUT = say("detail-left-out", "left out: {count} bytes, too large for a bug report")


def trim(capture: Capture, judged: Collection[str]) -> Capture:
    """Return the capture cut to size; ``judged`` are paths that stay whole."""
    files = {
        path: content if path in judged else _cut_file(path, content)
        for path, content in capture.files.items()
    }
    files.update(_too_much(files, judged))
    commands = {argv: _cut_output(answer) for argv, answer in capture.commands.items()}
    return capture._replace(files=files, commands=commands)


def cut(text: str, limit: int) -> str:
    """Return the head of a text, by whole lines, and a line that says what is gone."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    head = head[: head.rfind("\n") + 1] or head
    return f"{head}# vfio-doctor: truncated, {len(text) - len(head)} bytes left out\n"


def _cut_file(path: str, content: bytes | Missing) -> bytes | Missing:
    if isinstance(content, Missing) or len(content) <= FILE_BYTES:
        return content
    return cut(content.decode("latin-1"), FILE_BYTES).encode("latin-1")


def _cut_output(answer: CommandResult | Missing) -> CommandResult | Missing:
    if isinstance(answer, Missing) or len(answer.stdout) <= OUTPUT_BYTES:
        return answer
    if answer.argv[0] in ("rpm-ostree", "bootc", "bootctl"):
        return answer
    return answer._replace(stdout=_telling(answer.stdout))


def _telling(text: str) -> str:
    """Return first and last lines, and between them those that tell something."""
    lines = text.splitlines()
    middle = lines[EDGE_LINES:-EDGE_LINES]
    kept: list[str] = []
    size = 0
    for line in middle:
        if size < TELLING_BYTES and any(word in line.lower() for word in TELLING):
            kept.append(line)
            size += len(line)
    gone = (
        f"# vfio-doctor: truncated, {len(middle) - len(kept)} lines left out from here"
    )
    whole = [*lines[:EDGE_LINES], gone, *kept, *lines[-EDGE_LINES:]]
    return cut("\n".join(whole) + "\n", TELLING_BYTES + OUTPUT_BYTES)


def _too_much(
    files: dict[str, bytes | Missing], judged: Collection[str]
) -> dict[str, Missing]:
    """Return what has to stay out, the largest first, so that the rest fits."""
    import zlib

    held = {p: c for p, c in files.items() if isinstance(c, bytes)}
    sizes = {path: len(zlib.compress(c, 1)) for path, c in held.items()}
    left = sum(sizes.values()) - FILES_PACKED
    gone: dict[str, Missing] = {}
    for path in sorted(sizes, key=lambda p: -sizes[p]):
        if left <= 0:
            break
        if path not in judged:
            detail = LEFT_OUT.filled(count=len(held[path]))
            gone[path] = Missing(path, Why.NOT_CAPTURED, detail)
            left -= sizes[path]
    return gone
