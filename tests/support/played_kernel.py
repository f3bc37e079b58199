"""What the kernel and udev do on a played machine; see `played_machine`."""

from __future__ import annotations

from pathlib import Path

from support import hosts
from support.fixture_hosts.hardware import (
    CORE,
    KVM_WORKS,
    RYZEN,
    interrupts,
    pci,
)
from support.fixture_hosts.looking_glass import SEAT_ACL
from support.fixture_hosts.parts import Parts
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.rules import KvmfrRules
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import (
    AclEntry,
    CommandResult,
    Kind,
    Missing,
    ProbeResult,
    Stat,
    UdevDevice,
)
from vfio_doctor.parse import cmdline
from vfio_doctor.parse.udev_effects import Effects

NODE, FOLDER = "/dev/kvmfr0", "sys/class/kvmfr/kvmfr0"
NUMBER = (242, 0)
ALICE = 1000
KVM_PARAMETERS = "sys/module/kvm/parameters"
DEFAULTS = {"ignore_msrs": "N", "report_ignored_msrs": "Y"}


class Kernel:
    """Loaded modules, device nodes and groups of one machine."""

    def __init__(self, root: Path, capture: Capture) -> None:
        self.root = root
        self.stats: dict[str, Stat | Missing] = dict(capture.stats)
        self.probes = dict(capture.probes)
        self.udev: dict[str, tuple[UdevDevice, ...] | Missing] = {}
        self.amd = "AuthenticAMD" in (root_text(capture, "/proc/cpuinfo"))

    def modprobe(self, argv: tuple[str, ...], host: CapturedHost) -> CommandResult:
        """Load or unload one module, as kmod and the kernel would."""
        name = argv[-1]
        if "-r" in argv:
            self._unload(name)
            return CommandResult(argv, 0, "", "")
        if self.loaded(name):
            return CommandResult(argv, 0, "", "")
        if name == "kvmfr":
            error = self._load_kvmfr(host)
            return CommandResult(argv, 1 if error else 0, "", error)
        if name in ("kvm_intel", "kvm_amd"):
            self._load_kvm(name)
            return CommandResult(argv, 0, "", "")
        return CommandResult(argv, 1, "", f"modprobe: FATAL: Module {name} not found.")

    def loaded(self, name: str) -> bool:
        return (self.root / "sys/module" / name).exists()

    def _put(self, path: str, text: str) -> None:
        where = self.root / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def _in_list(self, name: str, there: bool) -> None:
        path = self.root / "proc/modules"
        lines = [x for x in path.read_text().splitlines() if x.split()[0] != name]
        lines += [f"{name} 20480 0 - Live 0x0000000000000000"] if there else []
        path.write_text("\n".join(lines) + "\n")

    def _load_kvm(self, name: str) -> None:
        for key, value in DEFAULTS.items():
            self._put(f"{KVM_PARAMETERS}/{key}", f"{value}\n")
        self._put(f"sys/module/{name}/initstate", "live\n")
        self._in_list("kvm", True)
        self._in_list(name, True)
        self.stats["/dev/kvm"] = hosts.char_node(0o666, "root", 0, "kvm", 36, (10, 232))
        self.probes["kvm", "/dev/kvm"] = KVM_WORKS

    def _load_kvmfr(self, host: CapturedHost) -> str:
        line = cmdline.parse((self.root / "proc/cmdline").read_text())
        config = Facts(host)[ModuleConfig]
        given = config.values("kvmfr", "static_size_mb", line)
        if any(not (each.value or "").isdigit() for each in given):
            return "modprobe: ERROR: could not insert 'kvmfr': Invalid argument"
        size = int(given[-1].value or 0) if given else 0
        self._put("sys/module/kvmfr/version", "0.0.12\n")
        self._put("sys/module/kvmfr/initstate", "live\n")
        (self.root / "sys/class/kvmfr").mkdir(parents=True, exist_ok=True)
        self._in_list("kvmfr", True)
        if size:
            self._put(f"{FOLDER}/dev", f"{NUMBER[0]}:{NUMBER[1]}\n")
            result = ProbeResult("kvmfr-size", (), (("size", size << 20),))
            self.probes["kvmfr-size", NODE] = result
            # devtmpfs does not replace a file of that name.
            if not (self.root / NODE.lstrip("/")).exists():
                self.stats[NODE] = hosts.char_node(0o600, "root", 0, "root", 0, NUMBER)
                self.apply_rules(host)
        return ""

    def _unload(self, name: str) -> None:
        self._in_list(name, False)
        remove(self.root / "sys/module" / name)
        if name == "kvmfr":
            remove(self.root / FOLDER)
            self.stats.pop(NODE, None)
        if name.startswith("kvm_"):
            remove(self.root / "sys/module/kvm")
            self.stats.pop("/dev/kvm", None)

    def apply_rules(self, host: CapturedHost) -> None:
        """Do to the kvmfr node what the rules on the disk say."""
        node = self.stats.get(NODE)
        if not isinstance(node, Stat) or node.kind is not Kind.CHAR:
            return
        facts = Facts(host)
        ((_, effects),) = facts[KvmfrRules].devices[:1]
        early = effects.tag("uaccess")
        seat = early is not None and early.path.rpartition("/")[2] < "73"
        self.stats[NODE] = dressed(effects, SEAT_ACL if seat else ())

    def reboot(self, words: str, host: CapturedHost) -> None:
        """Lose what was loaded; start with these arguments."""
        self._put("proc/cmdline", f"{words}\n")
        self._put("proc/sys/kernel/random/boot_id", "second-boot\n")
        self._unload("kvmfr")
        # /dev is new at each boot.
        (self.root / NODE.lstrip("/")).unlink(missing_ok=True)
        line = cmdline.parse(words)
        for key in DEFAULTS:
            value = line.last(f"kvm.{key}") or DEFAULTS[key]
            flag = {"1": "Y", "0": "N"}.get(value, value)
            self._put(f"{KVM_PARAMETERS}/{key}", f"{flag}\n")
        self._start_iommu(line, host)

    def _start_iommu(self, line: cmdline.CommandLine, host: CapturedHost) -> None:
        tables = host.list("/sys/firmware/acpi/tables")
        given = " ".join(a.raw for a in line.arguments)
        on = "DMAR" in tables and "intel_iommu=on" in given
        if "IVRS" in tables and "amd_iommu=off" not in given:
            on = True
        if not on or "iommu=off" in given.split():
            return
        remapped = "intremap=off" not in given
        for parts in (
            pci(RYZEN if self.amd else CORE, True, "07:00.0"),
            interrupts(remapped),
        ):
            self._take(parts)
        unit = "ivhd0" if self.amd else "dmar0"
        link = hosts.link(f"../../devices/virtual/iommu/{unit}")
        self.stats[f"/sys/class/iommu/{unit}"] = link

    def _take(self, parts: Parts) -> None:
        for path, text in parts.files.items():
            if isinstance(text, str) and not path.endswith("uevent"):
                self._put(path, text)
        self.stats.update(parts.stats)

    def start_modules(self, host: CapturedHost) -> None:
        """Load what modules-load.d, softdeps and the arguments name."""
        facts = Facts(host)
        line = cmdline.parse((self.root / "proc/cmdline").read_text())
        config = facts[ModuleConfig]
        if config.loaded_at_boot("kvmfr", line) or config.pulled_in_by("kvmfr"):
            self._load_kvmfr(host)


def dressed(effects: Effects, acl: tuple[AclEntry, ...]) -> Stat:
    """The node as udev leaves it."""
    owner, group = effects.owner, effects.group
    mode = int(effects.mode.value, 8) if effects.mode else 0o660 if group else 0o600
    stat = hosts.char_node(
        mode,
        owner.value if owner else "root",
        owner.number if owner else 0,
        group.value if group else "root",
        group.number if group else 0,
        NUMBER,
    )
    return stat._replace(acl=acl)


def root_text(capture: Capture, path: str) -> str:
    held = capture.files.get(path, b"")
    return held.decode() if isinstance(held, bytes) else ""


def remove(path: Path) -> None:
    """Remove a folder with all in it, where it is there."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
