"""Hosts that are none, and hosts whose files are made from a configuration."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from support.machines import amd, intel
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import CannotFix, Facts, MissingFact, NotApplicable
from vfio_doctor.facts.guest import LookingGlassGuest
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.facts.nixos import Generated
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, EditLine, Status
from vfio_doctor.parse import openrc
from vfio_doctor.parse.cmdline import parse as line_of

UEVENT = "/sys/bus/pci/devices/0000:00:09.0/uevent"
OPENRC = 'modules="kvmfr"\nmodule_kvmfr_args="static_size_mb=64"\n'


def in_a_vm(host: CapturedHost, uevent: str) -> CapturedHost:
    text = host.capture.files["/proc/cpuinfo"]
    assert isinstance(text, bytes)
    inside = text.replace(b"fpu vme", b"fpu vme hypervisor")
    return hosts.changed(host, files={"/proc/cpuinfo": inside, UEVENT: uevent})


def test_a_guest_with_shared_memory_is_no_host() -> None:
    guest = in_a_vm(amd(iommu=False, firmware_on=False), "PCI_ID=1AF4:1110\n")
    assert Facts(guest)[LookingGlassGuest].address == "0000:00:09.0"
    with pytest.raises(NotApplicable):
        Facts(guest)[LookingGlassGuest].demand_host()
    ends = {result.id: result.status for result in diagnose(Facts(guest), load())}
    assert Status.FAIL not in ends.values()
    assert ends["kvm-device-missing"] is Status.NOT_APPLICABLE


@pytest.mark.parametrize("uevent", ["PCI_ID=1AF4:1050\n", ""])
def test_any_other_virtual_machine_may_be_one(uevent: str) -> None:
    Facts(in_a_vm(intel(), uevent))[LookingGlassGuest].demand_host()


def test_a_guest_whose_devices_are_denied_is_not_known() -> None:
    closed = in_a_vm(intel(), "")
    closed.capture.files[UEVENT] = hosts.denied(UEVENT)
    with pytest.raises(MissingFact):
        Facts(closed)[LookingGlassGuest].demand_host()


def test_nixos_makes_its_files() -> None:
    nixos = hosts.changed(amd(), files={"/etc/os-release": "ID=nixos\n"})
    with pytest.raises(CannotFix):
        Facts(nixos)[Generated].refuse()
    Facts(catalogue.host("healthy-bazzite"))[Generated].refuse()


def test_openrc_loads_a_module_with_its_arguments() -> None:
    host = hosts.build({openrc_file(): OPENRC, "/proc/cmdline": "quiet\n"})
    config, line = Facts(host)[ModuleConfig], Facts(host)[KernelCmdline].line
    assert config.loaded_at_boot("kvmfr", line) == openrc_file()
    option = config.effective("kvmfr", "static_size_mb", line)
    assert option is not None
    assert (option.value, str(option.place)) == ("64", f"{openrc_file()}:2")
    idle = hosts.changed(host, files={"/run/systemd/system/x": ""})
    assert Facts(idle)[ModuleConfig].loaded_at_boot("kvmfr", line_of("")) is None


@for_each(
    ("system", "systemd", "source"),
    [
        ("ID=alpine\n", False, "/etc/modules"),
        ("ID=devuan\nID_LIKE=debian\n", False, "/etc/modules"),
        ("ID=gentoo\n", False, None),
        ("ID=debian\n", True, None),
    ],
)
def test_etc_modules(system: str, systemd: bool, source: str | None) -> None:
    files = {"/etc/os-release": system, "/etc/modules": "# mine\nkvmfr a=1\n"}
    if systemd:
        files["/run/systemd/system/x"] = ""
    config = Facts(hosts.build(files))[ModuleConfig]
    assert config.loaded_at_boot("kvmfr", line_of("")) == source
    assert config.loaded_at_boot("loop", line_of("")) is None


def openrc_file() -> str:
    return "/etc/conf.d/modules"


@for_each(
    ("text", "names"),
    [
        ("modules='a b-c'\n", {"a", "b_c"}),
        ('modules_6_1="d" # kept\n', {"d"}),
        ('# modules="e"\n', set()),
        ('modules="\n  f\n  g\n"\n', {"f", "g"}),
        ('modules="h \\\n  i"\nmodule_i_args="x=1"\n', {"h", "i"}),
        ('modules="j"\nmodules="${modules} k"\n', {"j", "k"}),
        ('modules="l"\nmodules="m"\n', {"m"}),
        ("modules=n # o\n", {"n"}),
        ('modules="p\n', set()),
        ("", set()),
    ],
)
def test_modules_of_openrc(text: str, names: set[str]) -> None:
    assert openrc.parse(text).names == names


GUEST = "case-kvmfr-05b-guest-vm-to-vm-healthy"
SIZE = {"/etc/modprobe.d/kvmfr.conf": "options kvmfr static_size_mb=64\n"}


def judged_guest(
    rule: str, files: dict[str, str] | None = None, absent: tuple[str, ...] = ()
) -> CheckResult:
    host = hosts.changed(catalogue.host(GUEST), files=files, absent=absent)
    shared = CapturedHost(redact(host.capture).capture)
    (found,), (again,) = (
        diagnose(Facts(each), load(), (rule,)) for each in (host, shared)
    )
    assert (found.status, len(found.diagnoses)) == (again.status, len(again.diagnoses))
    return found


def test_a_size_in_a_guest_makes_a_device_of_no_host() -> None:
    assert judged_guest("kvmfr-no-device").status is Status.PASS
    (found,) = judged_guest("kvmfr-no-device", SIZE).diagnoses
    assert found.finding.message.id == "kvmfr-size-in-guest"
    assert found.fix is not None
    assert found.fix.cannot is not None
    assert found.fix.cannot.id == "size-kvmfr-of-guest"


def test_a_guest_opens_its_device_without_an_account_for_qemu() -> None:
    rules = ("/etc/udev/rules.d/99-kvmfr.rules",)
    (found,) = judged_guest("kvmfr-device-owner", absent=rules).diagnoses
    assert found.fix is not None
    assert found.fix.cannot is None
    texts = [c.new for c in found.fix.changes if isinstance(c, EditLine)]
    assert texts == ['SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", TAG+="uaccess"']
