"""Scripts in place of vfio-pci: false alarms and their neighbours."""

from __future__ import annotations

import pytest

from support.fixture_hosts.hardware import CORE_CPU, cpu
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.passthrough import OVERRIDE, SCRIPT
from support.machines import SYSFS, result, whole
from vfio_doctor.checks.vfio.script import VfioScriptIdle

BASE = (
    Parts(folders=SYSFS),
    cpu(*CORE_CPU),
    file("/proc/cmdline", "quiet\n"),
    file("/proc/sys/kernel/osrelease", "6.12.5\n"),
)
NO_LOADING = OVERRIDE.replace("modprobe -i vfio-pci\n", "")


@pytest.mark.parametrize(
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
    found = result(whole(*BASE, line, file(SCRIPT, text)), VfioScriptIdle)
    assert [d.finding.message.id for d in found.diagnoses] == [right] * bool(right)
