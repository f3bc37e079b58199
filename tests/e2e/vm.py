"""One virtual machine: QEMU under TCG, a disk of its own, a channel into it."""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

from e2e import images

# Seconds. The first boot of a run may take long on a slow machine; those after it
# have so many times what it took.
FIRST_BOOT, TIMES, AT_LEAST = 600.0, 5.0, 180.0
_measured: list[float] = []


def boot_limit() -> float:
    """Return how long a boot may take, by the first one that was measured."""
    return max(AT_LEAST, TIMES * _measured[0]) if _measured else FIRST_BOOT


# Without KVM a tick may come too late for the kernel's test of the timer, and with
# interrupt remapping that is a panic.
USUAL = "root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check"
SITE = "/var/lib/e2e/site"
# What pip writes for a console script, with the folder of the packages in it.
LAUNCHER = """#!/usr/bin/python3
import sys
sys.path.insert(0, "{site}")
from {module} import {function}
sys.exit({function}())
"""
PROGRAM = "/var/lib/e2e/vfio-doctor"
VIRTUAL_IOMMU = {
    "intel": ("intel-iommu,intremap=on",),
    "amd": ("amd-iommu,intremap=on",),
    "none": (),
}
# TCG has svm but no vmx: an Intel processor would have no virtualization. The
# kernel's IOMMU drivers go by the ACPI table, not by
# the processor, so a DMAR table beside an AMD processor is fine.
CPU = "max"


LEFT_BEHIND = {
    "journal.txt": "journalctl -b --no-pager -o short-monotonic",
    "history.txt": f"{PROGRAM} history",
    "files.txt": "cd /etc; head -n 50 default/grub kernel/cmdline udev/rules.d/*"
    " modprobe.d/* modules-load.d/* 2>&1; cat /proc/cmdline; ls -l /dev/kvmfr*",
}


class Done(NamedTuple):
    """How a command in the guest ended."""

    status: int
    stdout: str
    stderr: str


class GuestError(Exception):
    """The guest did not do what it was asked to."""


class Machine:
    """A virtual machine that can be started, asked, cut off and started again.

    QEMU is given kernel, initramfs and arguments, unless a subclass has firmware
    and a boot loader find them. ``cpu`` and ``devices`` are QEMU's names of a
    processor and of PCI devices.
    """

    def __init__(
        self,
        disk: Path,
        iommu: str = "intel",
        arguments: str = "",
        initramfs: Path | None = None,
        cpu: str = CPU,
        devices: tuple[str, ...] = ("edu",),
    ) -> None:
        """Copy the disk; start nothing yet."""
        self._folder = Path(tempfile.mkdtemp(prefix="vfio-doctor-e2e-"))
        self.disk = self._folder / "disk.img"
        images.run("cp", "--sparse=always", disk, self.disk)
        self.iommu = iommu
        self.arguments = arguments
        self.initramfs = initramfs
        self.cpu = cpu
        self.devices = (*devices, *VIRTUAL_IOMMU[iommu])
        # Made before the disk. Only what is made after the IOMMU is behind it.
        self.early: tuple[str, ...] = ()
        self.plain = False
        self.boots = 0
        self.seconds = 0.0
        self.timings: list[tuple[float, str]] = []
        self._asked = 0
        self._held = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def console(self) -> str:
        """Return what the guest has printed since its last start."""
        path = self._folder / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Boot; return when the channel answers. Raises `GuestError` on the limit."""
        begun = time.monotonic()
        path = self._folder / "agent.sock"
        path.unlink(missing_ok=True)
        with (self._folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(path),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.boots += 1
        limit = boot_limit()
        while time.monotonic() < begun + limit:
            if self._process.poll() is not None:
                raise GuestError((self._folder / "qemu.log").read_text())
            if self._answers(path):
                # Modules are still being loaded when the channel is up.
                self.run("udevadm", "settle", "--timeout=90")
                self.seconds += time.monotonic() - begun
                self.timings.append((time.monotonic() - begun, "boot"))
                _measured.append(time.monotonic() - begun)
                return
            time.sleep(0.2)
        tail = self.console[-3000:]
        self.cut()
        raise GuestError(f"no answer in {limit:g} s; the console ends with:\n{tail}")

    def _answers(self, path: Path) -> bool:
        if self._socket is None:
            if not path.exists():
                return False
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(1)
            self._socket.connect(str(path))
        try:
            self._ask({"ping": 1}, 3)
            return True
        except (TimeoutError, OSError):
            return False

    def _command(self, port: Path) -> list[str]:
        command = [
            # Where the tests are killed, so is the guest.
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
            *("-M", "q35,accel=tcg,kernel-irqchip=split"),
            # One processor: two guests at once then boot faster than with two each.
            *("-cpu", self.cpu, "-smp", "1", "-m", "1536"),
            *("-nographic", "-vga", "none", "-nodefaults", "-no-user-config"),
            *("-serial", f"file:{self._folder}/console.log"),
            *(word for device in self.early for word in ("-device", device)),
            *("-drive", f"file={self.disk},format=raw,if=none,id=d0,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=d0"),
            *(
                "-device",
                "e1000e,netdev=n0,romfile=",
                "-netdev",
                "user,id=n0,restrict=on",
            ),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,path={port},server=on,wait=off,id=c0"),
            *("-device", "virtserialport,chardev=c0,name=vfio-doctor.e2e"),
        ]
        for device in self.devices:
            command += ["-device", device]
        return command + self._boot()

    def _boot(self) -> list[str]:
        kernel = f"/boot/vmlinuz-{images.release()}"
        initramfs = self.initramfs or images.initramfs()
        words = self.arguments if self.plain else f"{USUAL} {self.arguments}"
        return [
            "-no-reboot",
            *("-kernel", kernel, "-initrd", str(initramfs), "-append", words),
        ]

    def _line(self) -> bytes:
        assert self._socket is not None
        while b"\n" not in self._held:
            part = self._socket.recv(1 << 16)
            if not part:
                raise GuestError("the channel was closed")
            self._held += part
        line, _, self._held = self._held.partition(b"\n")
        return line

    def _ask(self, request: dict[str, object], limit: float) -> dict[str, object]:
        assert self._socket is not None, "not started"
        self._socket.settimeout(limit)
        self._asked += 1
        request = {**request, "id": self._asked}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, object] = {}
        while answer.get("id") != self._asked:
            answer = json.loads(self._line())
        if "error" in answer:
            raise GuestError(str(answer["error"]))
        return answer

    def send(self, argv: list[str]) -> None:
        """Start a command and do not wait for its answer (a power cut follows)."""
        assert self._socket is not None, "not started"
        self._socket.sendall(json.dumps({"run": argv}).encode() + b"\n")

    def run(
        self,
        *argv: str,
        user: str = "",
        limit: float = 120,
        env: dict[str, str] | None = None,
    ) -> Done:
        """Run a command in the guest, as root or as a user."""
        request: dict[str, object] = {"run": argv, "user": user, "limit": limit}
        begun = time.monotonic()
        answer = self._ask({**request, "env": env or {}}, limit + 10)
        self.timings.append((time.monotonic() - begun, " ".join(argv)[:100]))
        out, err = (
            base64.b64decode(str(answer[k])).decode("utf-8", "replace")
            for k in ("stdout", "stderr")
        )
        return Done(int(str(answer["status"])), out, err)

    def shell(self, script: str, limit: float = 120) -> str:
        """Run a shell script as root; raises `GuestError` where it fails."""
        done = self.run("sh", "-ec", script, limit=limit)
        if done.status:
            raise GuestError(f"{script!r} ended with {done.status}: {done.stderr}")
        return done.stdout

    def put(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        """Write a file in the guest."""
        held = data.encode() if isinstance(data, str) else data
        text = base64.b64encode(held).decode()
        self._ask({"put": path, "data": text, "mode": mode}, 180)

    def get(self, path: str) -> bytes:
        """Read a file of the guest."""
        return base64.b64decode(str(self._ask({"get": path}, 60)["data"]))

    def install(self) -> None:
        """Unpack the project's wheel and its dependencies in the guest."""
        packed = self._folder / "site.zip"
        entry = pack_site(packed)
        self.put("/var/lib/e2e/site.zip", packed.read_bytes())
        unpack = (
            "import compileall, sys, zipfile;"
            "zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2]);"
            "compileall.compile_dir(sys.argv[2], quiet=2)"
        )
        self.run("python3", "-c", unpack, "/var/lib/e2e/site.zip", SITE, limit=900)
        module, _, function = entry.partition(":")
        text = LAUNCHER.format(site=SITE, module=module, function=function)
        self.put(PROGRAM, text, 0o755)

    def doctor(self, *arguments: str, user: str = "", limit: float = 300) -> Done:
        """Run vfio-doctor in the guest; as root it works for alice."""
        env = {} if user else {"SUDO_UID": str(images.ALICE)}
        return self.run(PROGRAM, *arguments, user=user, limit=limit, env=env)

    def shutdown(self) -> None:
        """Power the guest off in order."""
        assert self._process is not None
        self.send(["systemctl", "poweroff"])
        try:
            self._process.wait(90)
        except subprocess.TimeoutExpired:
            tail = self.console[-2000:]
            self.cut()
            raise GuestError(
                f"no power-off in 90 s; the console ends with:\n{tail}"
            ) from None
        self._forget()

    def cut(self) -> None:
        """Cut the power: QEMU is killed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._held = b""
        self._process = None

    def reboot(self, arguments: str | None = None) -> None:
        """Shut down and start again, with other kernel arguments where given."""
        self.shutdown()
        if arguments is not None:
            self.arguments = arguments
        self.start()

    def collect(self, folder: Path) -> None:
        """Keep what the guest leaves: console, its journal, the doctor's, files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "console.log").write_text(self.console)
        timed = [f"{seconds:8.2f} s  {what!r}" for seconds, what in self.timings]
        (folder / "timings.txt").write_text("\n".join(timed) + "\n")
        if self._socket is None:
            return
        with contextlib.suppress(GuestError, OSError):
            for name, command in LEFT_BEHIND.items():
                done = self.run("sh", "-c", command, limit=60)
                (folder / name).write_text(done.stdout + done.stderr)

    def close(self) -> None:
        """Cut the power and remove everything."""
        self.cut()
        shutil.rmtree(self._folder, ignore_errors=True)


def pack_site(packed: Path) -> str:
    """Write all wheels into one archive; return the console script's entry point."""
    script = ""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as all_of_it:
        for wheel in sorted(images.wheels().glob("*.whl")):
            with zipfile.ZipFile(wheel) as one:
                for name in one.namelist():
                    data = one.read(name)
                    all_of_it.writestr(name, data)
                    if name.startswith("vfio_doctor-") and name.endswith(
                        "/entry_points.txt"
                    ):
                        script = _console_script(data.decode())
    return script


def _console_script(text: str) -> str:
    parsed = configparser.ConfigParser()
    parsed.read_string(text)
    return parsed["console_scripts"]["vfio-doctor"]
