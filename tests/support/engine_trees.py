"""Whole trees on the disk to repair: made, applied to, compared byte by byte."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vfio_doctor.boot.backend import ArgumentEdit, BootBackend
from vfio_doctor.host.live import LiveHost
from vfio_doctor.host.reader import CommandResult, Missing, Reader, read_text
from vfio_doctor.model import (
    CommandStep,
    FileStep,
    NodeStep,
    ParameterStep,
    Step,
)
from vfio_doctor.parse.cmdline import words
from vfio_doctor.repair.guards import Unheld
from vfio_doctor.repair.plan import digest, words_digest
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.target import Machine
from vfio_doctor.repair.values import Basis, Plan, PlannedStep

RULE = "/etc/udev/rules.d/99-kvmfr.rules"
OPTIONS = "/etc/modprobe.d/kvm.conf"
NEW = "/etc/modules-load.d/deep/kvmfr.conf"
NODE = "/dev/kvmfr0"
PARAMETER = "/sys/module/kvm/parameters/report_ignored_msrs"
KARGS = "/boot/kargs"
TOOL_SCRATCH = f"{KARGS}.new"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
BEFORE, AFTER = ("ro", "quiet"), ("ro", "quiet", "kvm.report_ignored_msrs=0")
OURS = "var/lib/vfio-doctor"
# version 2; user_obj rw, user 4242 r, group_obj r, mask r, other none
ACL = bytes.fromhex("02000000") + b"".join(
    tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + who.to_bytes(4, "little")
    for tag, perm, who in (
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 4, 4242),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
)


class Thing(NamedTuple):
    """What stands at one path of a tree."""

    kind: str
    content: bytes
    mode: int
    owner: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]


def snapshot(root: Path) -> dict[str, Thing]:
    """Every path of a tree but those of the journal and of the boot tool's own."""
    found: dict[str, Thing] = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            key = str(path.relative_to(root))
            # What the boot tool of these tests leaves behind is not our file.
            if f"/{key}" == TOOL_SCRATCH:
                continue
            if not (key == "var" or key == "var/lib" or key.startswith(OURS)):
                found[key] = _thing(path)
    return found


def _thing(path: Path) -> Thing:
    found = path.lstat()
    kind = stat.S_IFMT(found.st_mode)
    content = b""
    if stat.S_ISREG(found.st_mode):
        content = path.read_bytes()
    elif stat.S_ISLNK(found.st_mode):
        content = os.fsencode(os.readlink(path))
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = tuple((n, os.getxattr(path, n, follow_symlinks=False)) for n in names)
    owner = (found.st_uid, found.st_gid)
    return Thing(oct(kind), content, stat.S_IMODE(found.st_mode), owner, xattrs)


def put(root: Path, path: str, text: str | bytes, mode: int = 0o644) -> Path:
    """Write one file of a tree."""
    where = root / path.lstrip("/")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_bytes(text if isinstance(text, bytes) else text.encode())
    where.chmod(mode)
    return where


def sick_tree(root: Path) -> None:
    """A host with something for every kind of step."""
    options = put(root, OPTIONS, "# mine\noptions kvm report_ignored_msrs=1\n", 0o640)
    if os.geteuid() == 0:
        os.chown(options, 1234, 4321)
    os.setxattr(options, "user.note", b"kept")
    os.setxattr(options, "system.posix_acl_access", ACL)
    put(root, RULE, 'SUBSYSTEM=="kvmfr", OWNER="root"\n')
    put(root, NODE, b"\0" * 100)
    put(root, PARAMETER, "Y\n")
    put(root, KARGS, " ".join(BEFORE))
    put(root, BOOT_ID, "first-boot\n")
    (root / "etc/modules-load.d").mkdir()


class FakeBoot(BootBackend):
    """A boot tool whose state is one file."""

    name = "fake-boot"
    commands = (("kargs", ".*", "..."),)

    def read(self, host: Reader) -> tuple[str, ...] | Missing:
        text = read_text(host, KARGS)
        return text if isinstance(text, Missing) else words(text)

    def steps(self, host: Reader, edit: ArgumentEdit) -> tuple[Step, ...]:
        return (CommandStep(("kargs", *edit.after), ("kargs", *edit.before)),)


class FakeRunner:
    """Programs that act on the tree alone; ``answers`` overrides one's status."""

    def __init__(
        self, root: Path, files: Filesystem, answers: dict[str, int] | None = None
    ) -> None:
        self.root = root
        self.files = files
        self.answers = answers or {}
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        return self.files.call(self._run, argv)

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        self.ran.append(argv)
        status = self.answers.get(argv[0], 0)
        if argv[0] == "kargs" and not status:
            # As a boot tool does it: never half a line.
            new = put(self.root, TOOL_SCRATCH, " ".join(argv[1:]))
            new.rename(self.root / KARGS.lstrip("/"))
        return CommandResult(argv, status, "", "it failed" if status else "")


def machine(
    root: Path,
    files: Filesystem | None = None,
    answers: dict[str, int] | None = None,
    tell: Callable[[object], None] = lambda _: None,
) -> Machine:
    """All that a repair of a tree needs."""
    files = files or Filesystem(str(root))
    return Machine(
        LiveHost(str(root)),
        files,
        FakeRunner(root, files, answers),
        FakeBoot(),
        tell,
        lock_seconds=0.2,
    )


def whole_plan(root: Path) -> Plan:
    """A plan with every kind of step, in the planner's order."""
    host = LiveHost(str(root))
    options, rule = host.read_bytes(OPTIONS), host.read_bytes(RULE)
    assert isinstance(options, bytes)
    assert isinstance(rule, bytes)
    reload = ("udevadm", "control", "--reload")
    edit = ArgumentEdit(BEFORE, AFTER)
    steps = (
        PlannedStep(CommandStep((), reload, brings_forward=True), ("b",)),
        PlannedStep(FileStep(OPTIONS, options, options.replace(b"=1", b"=0")), ("a",)),
        PlannedStep(FileStep(NEW, None, b"kvmfr\n"), ("b",)),
        PlannedStep(FileStep(RULE, rule, None), ("b",)),
        *(PlannedStep(s, ("a",), (), True) for s in FakeBoot().steps(host, edit)),
        PlannedStep(NodeStep(NODE, 100), ("b",), (Unheld(NODE),)),
        PlannedStep(CommandStep(reload, brings_forward=True), ("b",)),
        PlannedStep(ParameterStep(PARAMETER, "Y", "N"), ("a",)),
    )
    basis = (
        Basis("file", OPTIONS, digest(options)),
        Basis("file", NEW, "absent"),
        Basis("file", RULE, digest(rule)),
        Basis("parameter", PARAMETER, digest(b"Y")),
        Basis("arguments", FakeBoot.name, words_digest(BEFORE)),
    )
    return Plan(steps, (), arguments=edit, tool=FakeBoot.name, basis=basis)
