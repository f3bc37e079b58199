"""Scripts in place of vfio-pci: false alarms and their neighbours."""

from __future__ import annotations

from support import hosts
from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import OVERRIDE, SCRIPT, executable
from support.machines import SYSFS, function, result, whole
from support.rows import for_each
from vfio_doctor.checks.vfio.script import VfioScriptIdle
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.model import Status

BASE = (
    Parts(folders=SYSFS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
)
NO_LOADING = OVERRIDE.replace("modprobe -i vfio-pci\n", "")


@for_each(
    ("command", "text", "right"),
    [
        (SCRIPT, OVERRIDE, ""),
        (SCRIPT, NO_LOADING, "vfio-script-never-loads"),
        (SCRIPT, f"{NO_LOADING}modprobe vfio-pci\n", "vfio-script-never-loads"),
        (SCRIPT, f"{NO_LOADING}modprobe --ignore-install vfio-pci\n", ""),
        (f"{SCRIPT}; /sbin/modprobe -i vfio-pci", NO_LOADING, ""),
        ("echo x; modprobe -i vfio-pci", "", ""),
    ],
)
def test_a_script_loads_the_module_at_last(command: str, text: str, right: str) -> None:
    line = file("/etc/modprobe.d/vfio.conf", f"install vfio-pci {command}\n")
    found = result(whole(*BASE, line, executable(SCRIPT, text)), VfioScriptIdle)
    assert [d.finding.message.id for d in found.diagnoses] == [right] * bool(right)


LINE = file("/etc/modprobe.d/vfio.conf", f"install vfio-pci {SCRIPT}\n")
RUNS = executable(SCRIPT, OVERRIDE)
MAIN = "/etc/mkinitcpio.conf"
GOOD = f"MODULES=(vfio_pci amdgpu)\nFILES=({SCRIPT})\n"
BAD = "MODULES=(amdgpu vfio_pci)\nFILES=()\n"
DROP_IN = "/etc/mkinitcpio.conf.d/vfio.conf"
DRACUT = "/etc/dracut.conf.d/vfio.conf"
FORCED = 'force_drivers+=" vfio_pci amdgpu "\n'
TOOLS = "/etc/initramfs-tools"
LIST = file(f"{TOOLS}/modules", "vfio_pci\namdgpu\n")
MODULES = "/usr/lib/dracut/modules.d/40vfio/module-setup.sh"


def told(*parts: Parts) -> list[tuple[str, str]]:
    found = result(whole(*BASE, LINE, RUNS, *parts), VfioScriptIdle)
    return [(d.finding.message.id, str(d.finding.advice)) for d in found.diagnoses]


def kinds(*parts: Parts) -> list[str]:
    return [kind.removeprefix("vfio-script-") for kind, _ in told(*parts)]


@for_each(
    ("parts", "right"),
    [
        ((file(MAIN, GOOD),), []),
        ((file(MAIN, BAD),), ["not-in-image-driver-first"]),
        ((file(MAIN, BAD), file(DROP_IN, GOOD)), []),
        ((file(MAIN, GOOD), file(DROP_IN, BAD)), ["not-in-image-driver-first"]),
        ((file(MAIN, f"{GOOD}HOOKS=(base modconf)\n"),), []),
        ((file(MAIN, f"{GOOD}HOOKS=(base kms)\n"),), ["no-modconf"]),
        ((file(DRACUT, FORCED),), ["not-in-image"]),
        ((file(DRACUT, f'{FORCED}install_items+=" {SCRIPT} "\n'),), []),
        ((file(DRACUT, FORCED), file(MODULES, f'inst "{SCRIPT}"\n')), []),
        ((LIST,), ["not-in-image"]),
        ((LIST, file(f"{TOOLS}/hooks/v", f"copy_exec {SCRIPT}\n")), []),
        ((LIST, file(f"{TOOLS}/hooks/v", f"# copy_exec {SCRIPT}\n")), ["not-in-image"]),
        ((file(f"{TOOLS}/modules", "# none\n"),), []),
    ],
)
def test_the_script_is_in_the_image_of_every_builder(
    parts: tuple[Parts, ...], right: list[str]
) -> None:
    assert kinds(*parts) == right


@for_each("path", [MAIN, DRACUT, f"{TOOLS}/modules", f"{TOOLS}/hooks/v"])
def test_a_list_that_cannot_be_read_may_load_it(path: str) -> None:
    closed = Parts({path: hosts.denied(path)})
    found = result(whole(*BASE, LINE, RUNS, LIST, closed), VfioScriptIdle)
    assert found.status is Status.UNKNOWN


KMS = file(MAIN, "MODULES=()\nFILES=()\nHOOKS=(base modconf kms)\n")
SOFTDEP = file("/etc/modprobe.d/s.conf", "softdep amdgpu pre: vfio-pci\n")


def cards(*drivers: str) -> Parts:
    parts = Parts()
    for number, driver in enumerate(drivers, 1):
        bdf = f"0000:0{number}:00.0"
        parts = parts.and_then(function(bdf, "1002:73bf", "030000", driver, number))
    return parts


def test_the_kms_hook_loads_the_driver_of_both_twins() -> None:
    ((kind, advice),) = told(KMS, cards("amdgpu", "amdgpu"))
    assert kind == "vfio-script-kms"
    assert f"Add {SCRIPT} to FILES" in advice
    assert "Put vfio_pci before every graphics driver in MODULES" in advice


@for_each(
    "parts",
    [
        (KMS, cards("amdgpu", "vfio-pci")),
        (KMS, cards("nvidia", "nvidia")),
        (KMS, cards("amdgpu", "amdgpu"), SOFTDEP),
        (file(MAIN, "HOOKS=(base modconf)\n"), cards("amdgpu", "amdgpu")),
    ],
    ids=["bound", "not the kernel's", "softdep", "no hook"],
)
def test_the_kms_hook_is_no_fault_by_itself(parts: tuple[Parts, ...]) -> None:
    assert kinds(*parts) == []


def test_only_what_is_missing_is_asked_for() -> None:
    ordered = BAD.replace("FILES=()", f"FILES=({SCRIPT})")
    ((_, order),) = told(file(MAIN, ordered))
    assert "FILES" not in order
    assert "Put vfio_pci before every graphics driver in MODULES" in order
    ((_, files),) = told(file(MAIN, GOOD.replace(SCRIPT, "")))
    assert f"Add {SCRIPT} to FILES in {MAIN}" in files
    assert "Put vfio_pci" not in files


def test_a_script_has_to_be_executable() -> None:
    assert kinds(file(MAIN, GOOD)) == []
    stat = RUNS.stats[SCRIPT]
    assert isinstance(stat, Stat)
    shut = Parts(stats={SCRIPT: stat._replace(mode=0o644)})
    assert kinds(file(MAIN, GOOD), shut) == ["not-executable"]


def test_what_comes_too_late_leads_and_the_mode_follows() -> None:
    plain = Parts(stats={SCRIPT: Stat(Kind.FILE, 0o644, 0, 0, "root", "root")})
    ((kind, advice),) = told(file(MAIN, BAD), plain)
    assert kind == "vfio-script-not-in-image-driver-first"
    assert advice.startswith(f"Run `sudo chmod 755 {SCRIPT}`. Add {SCRIPT} to FILES")
