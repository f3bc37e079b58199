"""Have the file of plain shared memory made for the person."""

from __future__ import annotations

from vfio_doctor.api import (
    CannotFix,
    Change,
    EditLine,
    Facts,
    Finding,
    Fix,
    Generated,
    Init,
    Iterator,
    LookingGlassMemory,
    WriteFile,
    say,
    tmpfiles_line,
)

UNREAD = say(
    "make-shared-memory-unread", "nothing reads tmpfiles.d here, where {init} runs"
)


class MakeSharedMemory(Fix):
    """Has tmpfiles.d make `/dev/shm/looking-glass` for you and for QEMU's group.

    A line that is there is edited, otherwise it is written to
    `/etc/tmpfiles.d/10-looking-glass.conf`. If it stands in a package's file, a copy of
    that name in /etc takes its place. The shared memory itself is left as it is, since
    a VM may have it open: the line counts from the next boot on.
    """

    id = "make-shared-memory"
    solves = ("libvirt-shared-memory-closed",)
    summary = "Have the shared memory of Looking Glass made for you at boot"
    reboot = True

    def propose(self, finding: Finding, facts: Facts) -> Iterator[Change]:
        """Yield the line."""
        facts[Generated].refuse()
        if not facts[Init].tmpfiles:
            raise CannotFix(UNREAD.filled(init=facts[Init].other))
        memory = facts[LookingGlassMemory]
        wanted = tmpfiles_line(facts)
        if memory.line and memory.is_of_package:
            lines = memory.line.text.split("\n")
            lines[memory.line.line - 1] = wanted
            yield WriteFile(memory.file, "\n".join(lines))
        else:
            yield EditLine(memory.file, memory.line.raw if memory.line else "", wanted)
