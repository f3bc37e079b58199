"""A machine that is played: a captured host on the disk, and what acts on it.

Real: every file of the capture below a folder, the stand-ins of rpm-ostree and
grubby, the shell that reads GRUB's settings. Played here: what the kernel, udev,
modprobe and a reboot do, as far as the fixes need it. The rules' effects on a
node are those that `parse.udev_effects` works out; that it works them out as
systemd does is proven elsewhere (tests/parse, and the virtual machines).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

from support import hosts
from support.played_kernel import Kernel
from vfio_doctor.boot.backend import BootBackend
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import (
    Caller,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
    Why,
)
from vfio_doctor.repair.syscalls import Filesystem
from vfio_doctor.repair.target import Machine

STANDINS = Path(__file__).resolve().parent / "standins"
PLAYED = ("rpm-ostree", "bootc", "grubby")
GRUB_CFG = "boot/grub/grub.cfg"
ON_THE_DISK = (Kind.DIRECTORY, Kind.FILE)


def timed(base: Capture) -> Iterator[tuple[str, int]]:
    """Yield the files of which the capture knows when they were changed."""
    for path, stat in base.stats.items():
        if isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.mtime:
            yield path, stat.mtime


class PlayedHost:
    """The machine as a `Reader`: what is on the disk now, and the played rest."""

    def __init__(self, root: Path, capture: Capture) -> None:
        self.root = root
        self.base = capture
        self.kernel = Kernel(root, capture)
        self._now: CapturedHost | None = None
        for path, content in capture.files.items():
            if isinstance(content, bytes):
                where = root / path.lstrip("/")
                where.parent.mkdir(parents=True, exist_ok=True)
                where.write_bytes(content)
        # Units, of which only that they are there was kept.
        for path, stat in capture.stats.items():
            where = root / path.lstrip("/")
            is_file = isinstance(stat, Stat) and stat.kind is Kind.FILE
            if is_file and path.startswith("/usr/lib/systemd/") and not where.exists():
                where.parent.mkdir(parents=True, exist_ok=True)
                where.touch()
        for path, names in capture.lists.items():
            if isinstance(names, tuple) and not isinstance(names, Missing):
                (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, mtime in timed(capture):
            there = root / path.lstrip("/")
            if there.is_file():
                os.utime(there, (mtime, mtime))

    def moved(self) -> None:
        """Forget what was read: something has acted."""
        self._now = None

    @property
    def now(self) -> CapturedHost:
        """The host as it is at this moment."""
        if self._now is None:
            self._now = self._read()
        return self._now

    def _read(self) -> CapturedHost:
        files: dict[str, str | bytes | Missing] = {
            path: held
            for path, held in self.base.files.items()
            if isinstance(held, Missing)
        }
        folders = []
        for folder, _, names in os.walk(self.root):
            here = "/" + os.path.relpath(folder, self.root).removeprefix(".")
            folders.append(here.replace("//", "/"))
            for name in names:
                path = Path(folder, name)
                files["/" + str(path.relative_to(self.root))] = path.read_bytes()
        stats = {
            path: stat
            for path, stat in self.kernel.stats.items()
            if isinstance(stat, Missing) or stat.kind not in ON_THE_DISK
            if path not in files
        }
        base = self.base
        made = hosts.build(
            files,
            stats,
            folders,
            base.commands,
            {**base.udev, **self.kernel.udev},
            self.kernel.probes,
            base.caller,
            base.name,
        )
        stats_now = made.capture.stats
        for name, _ in timed(base):
            there, known = self.root / name.lstrip("/"), stats_now.get(name)
            if there.exists() and isinstance(known, Stat):
                stats_now[name] = known._replace(mtime=int(there.stat().st_mtime))
        return made

    @property
    def name(self) -> str:
        return self.base.name

    def caller(self) -> Caller:
        return self.base.caller

    def read_bytes(self, path: str, limit: int = 1 << 20) -> bytes | Missing:
        return self.now.read_bytes(path, limit)

    def lstat(self, path: str) -> Stat | Missing:
        return self.now.lstat(path)

    def list(self, path: str) -> tuple[str, ...] | Missing:
        return self.now.list(path)

    def readlink(self, path: str) -> str | Missing:
        return self.now.readlink(path)

    def glob(self, pattern: str) -> tuple[str, ...] | Missing:
        return self.now.glob(pattern)

    def run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        if argv[0] in PLAYED and "--version" not in argv:
            return standin(self.root, argv)
        return self.now.run(argv)

    def udev_devices(self, subsystem: str) -> tuple[UdevDevice, ...] | Missing:
        return self.now.udev_devices(subsystem)

    def probe(self, name: str, path: str) -> ProbeResult | Missing:
        return self.now.probe(name, path)


class PlayedFiles(Filesystem):
    """The real file layer on the tree; it tells the host that something acted."""

    def __init__(self, host: PlayedHost) -> None:
        super().__init__(str(host.root))
        self.host = host

    def fsync(self, fd: int) -> None:
        """Save the time: power cuts are played elsewhere."""

    def close(self, fd: int) -> None:
        super().close(fd)
        self.host.moved()

    def unlink(self, folder: int, name: str) -> None:
        super().unlink(folder, name)
        self.host.moved()

    def rename(self, folder: int, old: str, new: str) -> None:
        super().rename(folder, old, new)
        self.host.moved()


class PlayedRunner:
    """Programs of the machine; ``ran`` lists them."""

    def __init__(self, host: PlayedHost) -> None:
        self.host = host
        self.ran: list[tuple[str, ...]] = []

    def run(self, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
        self.ran.append(argv)
        try:
            return self._run(argv)
        finally:
            self.host.moved()

    def _run(self, argv: tuple[str, ...]) -> CommandResult | Missing:
        host = self.host
        if argv[0] in PLAYED:
            return standin(host.root, argv)
        if argv[0] == "update-grub":
            return update_grub(host.root, argv)
        if argv[0] == "modprobe":
            return host.kernel.modprobe(argv, host.now)
        if argv[:2] == ("udevadm", "trigger"):
            host.kernel.apply_rules(host.now)
            return CommandResult(argv, 0, "", "")
        if argv[0] == "systemctl":
            return systemctl(host.root, argv)
        if argv[0] == "udevadm":
            return CommandResult(argv, 0, "", "")
        return Missing(argv[0], Why.ABSENT, "not played")


def systemctl(root: Path, argv: tuple[str, ...]) -> CommandResult:
    """Enable and disable sockets and services; no daemon is played."""
    verb, unit = argv[1], argv[-1]
    target = "sockets" if unit.endswith(".socket") else "multi-user"
    link = root / f"etc/systemd/system/{target}.target.wants" / unit
    if verb == "enable":
        link.parent.mkdir(parents=True, exist_ok=True)
        link.touch()
    if verb == "disable":
        link.unlink()
        with contextlib.suppress(OSError):
            link.parent.rmdir()
    return CommandResult(argv, 0, "", "")


def standin(root: Path, argv: tuple[str, ...]) -> CommandResult:
    """Run a stand-in on the tree."""
    # One server is started for many tests: each has to name it all the same.
    sys.audit("subprocess.Popen", sys.executable, argv, None, None)
    asked, answered = pipes_of(server())
    print(json.dumps([argv[0], argv[1:], str(root)]), file=asked, flush=True)
    status, out, err = json.loads(answered.readline())
    return CommandResult(argv, status, out, err)


@cache
def server() -> subprocess.Popen[str]:
    """Return the process that runs stand-ins, until the tests' own ends."""
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", str(STANDINS / "server.py")],
        env={"PATH": "/nonexistent"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(end, started)
    return started


def end(started: subprocess.Popen[str]) -> None:
    for pipe in pipes_of(started):
        pipe.close()
    started.wait()


def pipes_of(started: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert started.stdin
    assert started.stdout
    return started.stdin, started.stdout


def update_grub(root: Path, argv: tuple[str, ...]) -> CommandResult:
    """Write the menu's kernel line from the settings, read by a real shell."""
    script = (
        'for f in "$1"/etc/default/grub "$1"/etc/default/grub.d/*.cfg; do'
        ' [ -e "$f" ] && . "$f"; done;'
        ' printf "%s" "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT"'
    )
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(root)],
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    menu = root / GRUB_CFG
    lines = menu.read_text().splitlines(keepends=True)
    for n, line in enumerate(lines):
        if line.split()[:1] == ["linux"]:
            head = " ".join(line.split()[1:4])
            lines[n] = f"\tlinux\t{head} {' '.join(done.stdout.split())}\n"
    menu.write_text("".join(lines))
    return CommandResult(argv, 0, "", "")


def machine(host: PlayedHost, backend: BootBackend | None) -> Machine:
    """All that a repair of the played machine needs."""
    return Machine(
        host,
        PlayedFiles(host),
        PlayedRunner(host),
        backend,
        sleep=lambda _: None,
        lock_seconds=0.2,
    )


def reboot(host: PlayedHost) -> None:
    """Start the machine anew: arguments, modules, the IOMMU, the nodes."""
    host.kernel.reboot(next_words(host), host.now)
    host.moved()
    host.kernel.start_modules(host.now)
    host.moved()


def next_words(host: PlayedHost) -> str:
    """What the boot loader hands to the kernel, read as the loader reads it."""
    root = host.root
    booted = (root / "proc/cmdline").read_text().split()
    if (root / "run/ostree-booted").exists():
        standin(root, ("rpm-ostree", "stand-in-reboot"))
        host.moved()
        return (root / "proc/cmdline").read_text().strip()
    if (root / GRUB_CFG).exists():
        lines = (root / GRUB_CFG).read_text().splitlines()
        line = next(line.split() for line in lines if line.split()[:1] == ["linux"])
        return " ".join([f"BOOT_IMAGE={line[1]}", *line[2:]])
    (entry,) = (root / "boot/loader/entries").glob("*.conf")
    options = next(
        line.split()[1:]
        for line in entry.read_text().splitlines()
        if line.startswith("options")
    )
    return " ".join([booted[0], *options])
