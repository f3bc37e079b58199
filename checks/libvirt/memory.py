"""Check of the file of plain shared memory."""

from __future__ import annotations

from vfio_doctor.api import (
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    Generated,
    HumanUser,
    Iterator,
    LibvirtIntent,
    LookingGlassMemory,
    Message,
    Missing,
    NodePlace,
    QemuUser,
    Severity,
    known,
    looks,
    say,
    tmpfiles_line,
)

CLOSED = say(
    "libvirt-shared-memory-closed",
    "{path} is {looks}: {user} cannot write to it, and the Looking Glass client shows"
    " nothing.",
)
WILL_BE = say(
    "libvirt-shared-memory-will-be-closed",
    "{path} is not there, so QEMU makes it as {qemu} when the VM starts, and {user}"
    " cannot write to it.",
)
OPEN = say("libvirt-shared-memory-open", "open for {user}")
NOT_THERE = say("libvirt-shared-memory-absent", "absent, and no line of tmpfiles.d")
A_LINE = say("libvirt-shared-memory-line", "a line of tmpfiles.d for {user}")
MAKE_LINE = say(
    "libvirt-shared-memory-make-line",
    "Shut the VM down, write `{line}` into {file}, and run `sudo rm -f {path}` and"
    " `sudo systemd-tmpfiles --create {file}`.",
)
NIXOS_LINE = say(
    "libvirt-shared-memory-nixos",
    'In configuration.nix, set `systemd.tmpfiles.rules = [ "{line}" ];`, run'
    " `sudo nixos-rebuild switch` and start the VM anew.",
)


class LibvirtSharedMemoryClosed(Check):
    """The shared memory of Looking Glass is closed to you.

    What it does:
    If a VM of the system instance has <shmem name='looking-glass'>, or one of the name
    that the client's settings say, reads owner, mode and ACL of that file in /dev/shm,
    and looks whether the person who runs the client may write to it. If the file is not
    there, looks for the line of tmpfiles.d that makes it before QEMU does.

    Why is this bad?
    QEMU makes the file as its own account, with a mode that lets nobody else write.
    The client says "Permission denied", or waits forever. What chmod does is gone
    with the next boot.

    How it is repaired:
    A line of tmpfiles.d makes the file at boot: yours, and open for QEMU's group. It
    counts from the next boot on.

    See it yourself:
        ls -l /dev/shm/looking-glass
        grep -r looking-glass /etc/tmpfiles.d /usr/lib/tmpfiles.d

    False alarms:
    A script or hook of your own that opens the file after each start is not seen.
    Groups count as the account files say. Virtual machines of the user session run as
    yourself and are not looked at.
    """

    id = "libvirt-shared-memory-closed"
    severity = Severity.ERROR
    title = "The shared memory of Looking Glass is closed to you"
    requires = ("libvirt-account-missing", "libvirt-conf-refused")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the person cannot write, now or at the next start."""
        facts[LibvirtIntent].demand()
        memory = facts[LookingGlassMemory]
        memory.demand()
        person = facts[HumanUser]
        opens = memory.opens_for(person)
        if opens is False:
            stat = known(memory.stat)
            message = CLOSED.filled(
                path=memory.path, looks=looks(stat), user=person.name
            )
            yield _closed(facts, message, looks(stat), None)
        elif opens is None and memory.line is None:
            qemu = facts[QemuUser]
            if memory.hidden:
                known(memory.hidden)
            if qemu.uid != person.uid:
                message = WILL_BE.filled(
                    path=memory.path, qemu=qemu.name, user=person.name
                )
                yield _closed(facts, message, NOT_THERE, Severity.WARNING)


def _closed(
    facts: Facts, message: Message, seen: str | Message, how_bad: Severity | None
) -> Finding:
    person, memory = facts[HumanUser], facts[LookingGlassMemory]
    wanted = OPEN if not isinstance(memory.stat, Missing) else A_LINE
    rows = [
        Evidence(f"lstat {memory.path}", seen, wanted.filled(user=person.name)),
        person.row,
        Evidence(memory.vms[0].path, f"<shmem name='{memory.name}'>"),
    ]
    if memory.line:
        place = f"{memory.line.path}:{memory.line.line}"
        rows.append(Evidence(place, memory.line.raw, tmpfiles_line(facts)))
    line, file = tmpfiles_line(facts), memory.file
    advice = facts[Generated].advice(
        NIXOS_LINE.filled(line=line),
        MAKE_LINE.filled(line=line, file=file, path=memory.path),
    )
    place_ = NodePlace(memory.path)
    return Finding(place_, message, tuple(rows), how_bad, advice, Actor.TOOL)
