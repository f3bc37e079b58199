"""Check of the file of plain shared memory."""

from __future__ import annotations

from vfio_doctor.api import (
    Accounts,
    Actor,
    Check,
    Evidence,
    Facts,
    Finding,
    Generated,
    HumanUser,
    Init,
    Iterator,
    LibvirtIntent,
    LookingGlassMemory,
    Message,
    Missing,
    MissingFact,
    NodePlace,
    QemuUser,
    Severity,
    TmpfilesLine,
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
CLOSED_TO_QEMU = say(
    "libvirt-shared-memory-closed-to-qemu",
    "{path} is {looks}: QEMU's account {qemu} cannot open it, and the VM does not"
    " start.",
)
MADE_CLOSED = say(
    "libvirt-shared-memory-made-closed",
    "{place} makes {path} at boot, and does not open it for {who}.",
)
NOT_MADE = say(
    "libvirt-shared-memory-not-made",
    "{place} names an account that is not here ({owner}:{group}): {path} is not made,"
    " and the one that QEMU makes is closed to {user}.",
)
OPEN = say("libvirt-shared-memory-open", "open for {user}")
NOT_THERE = say("libvirt-shared-memory-absent", "absent, and no line of tmpfiles.d")
ABSENT = say("libvirt-shared-memory-not-there", "absent")
A_LINE = say("libvirt-shared-memory-line", "a line of tmpfiles.d for {user}")
MAKE_LINE = say(
    "libvirt-shared-memory-make-line",
    "Shut the VM down, write `{line}` into {file}, and run `sudo rm -f {path}` and"
    " `sudo systemd-tmpfiles --create {file}`.",
)
MAKE_LINE_LATER = say(
    "libvirt-shared-memory-make-line-later",
    "Shut the VM down, write `{line}` into {file}, and reboot.",
)
BY_SCRIPT = say(
    "libvirt-shared-memory-by-script",
    "Nothing reads tmpfiles.d here. Shut the VM down, write `install -m 0660 -o {user}"
    " -g {group} /dev/null {path}` into /etc/rc.local, which {init} runs at boot, and"
    " reboot.",
)
OVERRIDE = say(
    "libvirt-shared-memory-override",
    "Shut the VM down, run `sudo cp {package} {file}` (a file of that name in /etc"
    " takes its place), change line {number} there to `{line}`, and run"
    " `sudo rm -f {path}` and `sudo systemd-tmpfiles --create {file}`.",
)
NOT_NAMED = say(
    "libvirt-shared-memory-not-named",
    "A VM shares {path}, and nothing tells the Looking Glass client so: unless it is"
    " told, it opens /dev/shm/looking-glass, which no VM shares.",
)
NAME_IT = say(
    "libvirt-shared-memory-name-it",
    "If that memory is Looking Glass's, start the client with `-f {path}`, or write"
    " `shmFile={path}` below [app] into ~/.config/looking-glass/client.ini.",
)
NO_NAME = say("libvirt-shared-memory-no-name", "no file is named")
CLIENT = say("libvirt-shared-memory-client", "settings of the client")
NIXOS_LINE = say(
    "libvirt-shared-memory-nixos",
    'In configuration.nix, set `systemd.tmpfiles.rules = [ "{line}" ];`, run'
    " `sudo nixos-rebuild switch` and start the VM anew.",
)


class LibvirtSharedMemoryClosed(Check):
    """The shared memory of Looking Glass is closed to you or QEMU.

    What it does:
    If a VM of the system instance has <shmem name='looking-glass'>, or one of the name
    that the client's settings say, or maps that file by hand, reads owner, mode and ACL
    of that file in /dev/shm, and looks whether the person who runs the client may write
    to it. If the file is not there, looks for the line of tmpfiles.d that makes it
    before QEMU does, and whether that line lets both in. If the only memory of a
    picture's size has another name, and the client's settings name none, that is a
    note.

    Why is this bad?
    QEMU makes the file as its own account, with a mode that lets nobody else write.
    The client says "Permission denied", or waits forever. What chmod does is gone
    with the next boot.

    How it is repaired:
    A line of tmpfiles.d makes the file at boot: yours, and open for QEMU's group. It
    counts from the next boot on. A package's file is left as it is: one of the same
    name in /etc/tmpfiles.d takes its place.

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
    title = "The shared memory of Looking Glass is closed to you or QEMU"
    requires = ("libvirt-account-missing", "libvirt-conf-refused")

    def judge(self, facts: Facts) -> Iterator[Finding]:
        """Yield one finding if the person cannot write, now or at the next start."""
        facts[LibvirtIntent].demand()
        memory = facts[LookingGlassMemory]
        memory.demand()
        if memory.guessed:
            yield _unnamed(memory)
            return
        person = facts[HumanUser]
        opens = memory.opens_for(person)
        named = {"path": memory.path, "user": person.name}
        if opens is False:
            seen = looks(known(memory.stat))
            yield _closed(facts, CLOSED.filled(**named, looks=seen), seen, None)
        elif opens and (qemu := _kept_out(facts)):
            seen = looks(known(memory.stat))
            said = {"path": memory.path, "looks": seen, "qemu": qemu}
            yield _closed(facts, CLOSED_TO_QEMU.filled(**said), seen, None)
        elif memory.line:
            if message := _at_boot(memory.line, facts):
                shown = ABSENT if opens is None else looks(known(memory.stat))
                yield _closed(facts, message, shown, Severity.WARNING)
        elif opens is None:
            user = facts[QemuUser]
            if memory.hidden:
                known(memory.hidden)
            if user.uid != person.uid:
                message = WILL_BE.filled(**named, qemu=user.name)
                yield _closed(facts, message, NOT_THERE, Severity.WARNING)


def _unnamed(memory: LookingGlassMemory) -> Finding:
    """Return that the client does not know the name; whose memory it is, is a guess."""
    rows = (
        Evidence(memory.vms[0].path, f"<shmem name='{memory.name}'>"),
        Evidence(CLIENT, NO_NAME, f"shmFile={memory.path}"),
    )
    said, advice = (text.filled(path=memory.path) for text in (NOT_NAMED, NAME_IT))
    place_ = NodePlace(memory.path)
    return Finding(place_, said, rows, Severity.INFO, advice, Actor.USER)


def _kept_out(facts: Facts) -> str:
    """Return QEMU's account if it may not open the file, else ""."""
    try:
        qemu = facts[QemuUser]
    except MissingFact:
        return ""
    return "" if facts[LookingGlassMemory].opens_for(qemu) else qemu.name


def _at_boot(line: TmpfilesLine, facts: Facts) -> Message | None:
    """Return why the file that the line makes does not do, None if it does."""
    person = facts[HumanUser]
    made = line.makes(facts[Accounts], person)
    if made is None:
        said = {"place": line.place, "owner": line.owner, "group": line.group}
        return NOT_MADE.filled(
            **said, path=facts[LookingGlassMemory].path, user=person.name
        )
    memory = facts[LookingGlassMemory]._replace(stat=made)
    out = [] if memory.opens_for(person) else [person.name]
    try:
        qemu = facts[QemuUser]
    except MissingFact:
        pass
    else:
        out += [] if memory.opens_for(qemu) or qemu.name in out else [qemu.name]
    if not out:
        return None
    return MADE_CLOSED.filled(
        place=line.place, path=facts[LookingGlassMemory].path, who=tuple(out)
    )


def _closed(
    facts: Facts, message: Message, seen: str | Message, how_bad: Severity | None
) -> Finding:
    person, memory = facts[HumanUser], facts[LookingGlassMemory]
    wanted = OPEN if not isinstance(memory.stat, Missing) else A_LINE
    rows = [
        Evidence(f"lstat {memory.path}", seen, wanted.filled(user=person.name)),
        person.row,
        Evidence(memory.vms[0].path, _shares(memory)),
    ]
    if memory.line:
        row = Evidence(memory.line.place, memory.line.raw, tmpfiles_line(facts))
        rows.append(row)
    here = NIXOS_LINE.filled(line=tmpfiles_line(facts))
    advice = facts[Generated].advice(here, _how_to_make(facts))
    place_ = NodePlace(memory.path)
    return Finding(place_, message, tuple(rows), how_bad, advice, Actor.TOOL)


def _shares(memory: LookingGlassMemory) -> str:
    """Return how a VM's definition names the file."""
    by_element = memory.name in memory.vms[0].shared.shmem
    return f"<shmem name='{memory.name}'>" if by_element else memory.path


def _how_to_make(facts: Facts) -> Message:
    memory, init, line = facts[LookingGlassMemory], facts[Init], tmpfiles_line(facts)
    if not init.tmpfiles:
        user, group = line.split()[3:5]
        told = {"user": user, "group": group, "path": memory.path}
        return BY_SCRIPT.filled(**told, init=init.other)
    if not init.systemd:
        return MAKE_LINE_LATER.filled(line=line, file=memory.file)
    told = {"line": line, "file": memory.file, "path": memory.path}
    if memory.line and memory.is_of_package:
        package, number = memory.line.path, memory.line.line
        return OVERRIDE.filled(**told, package=package, number=number)
    return MAKE_LINE.filled(**told)
