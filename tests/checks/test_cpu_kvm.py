from __future__ import annotations

from typing import Any

import pytest

from support import hosts
from support.fixture_hosts.hardware import (
    CORE_CPU,
    KVM_WORKS,
    RYZEN_CPU,
    amd_desktop,
    cpu,
    kvm,
)
from support.fixture_hosts.parts import Parts, group_file, passwd_file
from support.machines import amd, intel, result, whole
from support.rows import for_each
from vfio_doctor.checks.kvm.cpu import CpuVirtualizationOff
from vfio_doctor.checks.kvm.device import KvmDeviceMissing, KvmUnusable
from vfio_doctor.facts.kvm import kernel_boolean
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller, Kind, Missing, ProbeResult, Stat, Why
from vfio_doctor.model import Actor, Severity, Status

NODE = "/dev/kvm"
CPUINFO = "/proc/cpuinfo"
PROBE = ("kvm", NODE)
EACCES = ProbeResult("kvm", ("tried to open /dev/kvm",), (), "EACCES")
ENODEV = ProbeResult("kvm", ("tried to open /dev/kvm",), (), "ENODEV")
NO_MODULE = Missing("probe kvm of /dev/kvm", Why.ABSENT, "No such device")
GROUPED = hosts.char_node(0o660, "root", 0, "kvm", 36, (10, 232))
NO_FLAGS = cpu("GenuineIntel", "Core", "fpu msr", 46)
GUEST = cpu("AuthenticAMD", "EPYC", "fpu msr hypervisor", 46)
ARM = Parts({CPUINFO: "processor\t: 0\nFeatures\t: fp asimd\n"})
XEN = Parts({"/sys/hypervisor/type": "xen\n"})
CONTAINER = Parts({"/run/.containerenv": ""})


def accounts(kvm_members: str = "", conf: str | Missing | None = None) -> Parts:
    users = passwd_file(alice=(1000, 1000, "/home/alice"), qemu=(107, 107, "/"))
    groups = group_file(kvm=(36, kvm_members), qemu=(107, ""), alice=(1000, ""))
    files: dict[str, Any] = {"/etc/passwd": users, "/etc/group": groups}
    if conf is not None:
        files["/etc/libvirt/qemu.conf"] = conf
    return Parts(files)


def answers(probe: Any) -> Parts:
    return Parts(probes={PROBE: probe})


@for_each(
    ("host", "status", "actor"),
    [
        (amd(), Status.PASS, None),
        (intel(), Status.PASS, None),
        (whole(NO_FLAGS), Status.FAIL, Actor.FIRMWARE),
        (whole(GUEST), Status.FAIL, Actor.USER),
        (whole(GUEST, kvm()), Status.PASS, None),
        (whole(GUEST, kvm(), answers(EACCES)), Status.UNKNOWN, None),
        (whole(GUEST, kvm(), answers(hosts.denied(NODE))), Status.UNKNOWN, None),
        (whole(GUEST, kvm(), answers(ENODEV)), Status.FAIL, Actor.USER),
        (whole(GUEST, kvm(), answers(NO_MODULE)), Status.FAIL, Actor.USER),
        (whole(NO_FLAGS, XEN), Status.UNKNOWN, None),
        (whole(NO_FLAGS, CONTAINER), Status.UNKNOWN, None),
        (whole(ARM), Status.NOT_APPLICABLE, None),
        (whole(), Status.UNKNOWN, None),
        (whole(Parts({CPUINFO: hosts.denied(CPUINFO)})), Status.UNKNOWN, None),
        (whole(Parts({CPUINFO: ""})), Status.UNKNOWN, None),
    ],
    ids=[
        "svm",
        "vmx",
        "no flag",
        "no flag in a VM",
        "no flag but KVM works",
        "no flag, KVM closed to us",
        "no flag, KVM denied",
        "no flag, KVM does not answer",
        "no flag, KVM without module",
        "xen",
        "container",
        "arm64",
        "no cpuinfo",
        "cpuinfo denied",
        "cpuinfo empty",
    ],
)
def test_cpu_virtualization(
    host: CapturedHost, status: Status, actor: Actor | None
) -> None:
    found = result(host, CpuVirtualizationOff)
    assert (found.status, found.trace) == (status, "")
    assert [d.finding.who_acts for d in found.diagnoses] == ([actor] if actor else [])


def test_the_firmware_is_named_in_its_own_words() -> None:
    host = hosts.changed(intel(), files=dict(NO_FLAGS.files))
    (one,) = result(host, CpuVirtualizationOff).diagnoses
    assert "Gigabyte Technology Co., Ltd. Z690 AORUS ELITE" in str(one.finding.advice)
    assert "VT-x" in str(one.finding.advice)
    assert one.finding.evidence[0].expected == "vmx"


def test_inside_a_vm_the_outer_host_is_named() -> None:
    (one,) = result(whole(GUEST), CpuVirtualizationOff).diagnoses
    assert "/sys/module/kvm_amd/parameters/nested" in str(one.finding.advice)


MODULE = Parts(folders=("/sys/module/kvm", "/sys/module/kvm_intel"))
CORE = cpu(*CORE_CPU)


def stands(stat: Any) -> CapturedHost:
    return whole(CORE, kvm(), Parts({}, {NODE: stat}))


@for_each(
    ("host", "status", "words"),
    [
        (whole(CORE, kvm()), Status.PASS, ""),
        (whole(CORE), Status.FAIL, "sudo modprobe kvm_intel"),
        (whole(cpu(*RYZEN_CPU)), Status.FAIL, "sudo modprobe kvm_amd"),
        (whole(CORE, MODULE), Status.FAIL, "udevadm trigger"),
        (whole(ARM), Status.FAIL, "journalctl -k -b"),
        (whole(CORE, CONTAINER), Status.UNKNOWN, ""),
        (stands(Stat(Kind.FILE, 0o644, 0, 0)), Status.FAIL, "sudo rm /dev/kvm"),
        (stands(Stat(Kind.FIFO, 0o644, 0, 0)), Status.FAIL, "sudo rm /dev/kvm"),
        (stands(GROUPED._replace(rdev=(10, 1))), Status.FAIL, "ls -l /dev/kvm"),
        (stands(Missing(NODE, Why.DENIED)), Status.UNKNOWN, ""),
        (stands(Missing(NODE, Why.NOT_CAPTURED)), Status.UNKNOWN, ""),
    ],
    ids=[
        "there",
        "intel without module",
        "amd without module",
        "module without node",
        "arm64",
        "container",
        "file",
        "fifo",
        "another device",
        "denied",
        "not captured",
    ],
)
def test_kvm_device(host: CapturedHost, status: Status, words: str) -> None:
    found = result(host, KvmDeviceMissing)
    assert (found.status, found.trace) == (status, "")
    assert len(found.diagnoses) == bool(words)
    for one in found.diagnoses:
        assert words in str(one.finding.advice)


def test_the_wrong_device_is_named() -> None:
    host = stands(GROUPED._replace(rdev=(10, 1)))
    (one,) = result(host, KvmDeviceMissing).diagnoses
    assert (
        str(one.finding.message)
        == "/dev/kvm is a char device 10:1, not the KVM device."
    )


def probed(*values: tuple[str, int], error: str = "") -> CapturedHost:
    probe = ProbeResult("kvm", ("opened /dev/kvm",), values, error)
    return whole(kvm(), answers(probe))


@for_each(
    ("host", "words"),
    [
        (probed(error="ENODEV"), "does not answer (ENODEV)"),
        (whole(kvm(), answers(NO_MODULE)), "does not answer (No such device)"),
        (probed(("api_version", 11)), "API version 11"),
        (probed(("api_version", 12), error="EBUSY"), "Another program"),
        (probed(("api_version", 12), error="ENOMEM"), "cannot make a virtual machine"),
        (probed(("api_version", 12), ("create_vm", 0)), "no error given"),
    ],
)
def test_kvm_that_does_not_work(host: CapturedHost, words: str) -> None:
    found = result(host, KvmUnusable)
    assert found.status is Status.FAIL
    (one,) = found.diagnoses
    assert words in str(one.finding.message)
    assert one.severity is Severity.ERROR


ROOT = Caller(0, 1000)
NOBODY = Caller(0)
NO_QEMU = Parts(
    {
        "/etc/passwd": passwd_file(alice=(1000, 1000, "/home/alice")),
        "/etc/group": group_file(kvm=(36, "")),
    }
)
IN_KVM = Parts(
    {
        "/etc/passwd": passwd_file(alice=(1000, 1000, "/home/alice")),
        "/etc/group": group_file(kvm=(36, "alice")),
    }
)
SAYS_QEMU = 'user = "qemu"\n'
SHUT = hosts.denied("/etc/libvirt/qemu.conf")


@for_each(
    ("people", "caller", "probe", "status", "severity"),
    [
        (accounts("qemu", SAYS_QEMU), ROOT, KVM_WORKS, Status.PASS, None),
        (accounts("qemu"), ROOT, KVM_WORKS, Status.PASS, None),
        (accounts("", SAYS_QEMU), ROOT, KVM_WORKS, Status.FAIL, Severity.ERROR),
        (accounts("alice", SAYS_QEMU), ROOT, KVM_WORKS, Status.FAIL, Severity.WARNING),
        (accounts("", SHUT), Caller(1000), KVM_WORKS, Status.UNKNOWN, None),
        (NO_QEMU, ROOT, KVM_WORKS, Status.FAIL, Severity.ERROR),
        (IN_KVM, ROOT, KVM_WORKS, Status.PASS, None),
        (NO_QEMU, NOBODY, KVM_WORKS, Status.UNKNOWN, None),
        (NO_QEMU, Caller(1000), EACCES, Status.FAIL, Severity.ERROR),
        (accounts("qemu", SHUT), Caller(1000), EACCES, Status.UNKNOWN, None),
        (accounts("", SAYS_QEMU), Caller(1000), EACCES, Status.FAIL, Severity.ERROR),
        (Parts(), ROOT, KVM_WORKS, Status.UNKNOWN, None),
        (Parts(), ROOT, ENODEV, Status.FAIL, Severity.ERROR),
    ],
    ids=[
        "qemu in kvm",
        "usual qemu in kvm",
        "neither",
        "only alice",
        "qemu assumed and shut out",
        "alice alone, shut out",
        "alice alone, in kvm",
        "nobody known",
        "unprivileged, no qemu",
        "unprivileged, qemu could",
        "unprivileged, qemu shut out",
        "no account files",
        "broken, no account files",
    ],
)
def test_who_may_use_kvm(
    people: Parts, caller: Caller, probe: Any, status: Status, severity: Any
) -> None:
    host = whole(kvm(), people, answers(probe), Parts({}, {NODE: GROUPED}))
    found = result(hosts.changed(host, caller=caller), KvmUnusable)
    assert (found.status, found.trace) == (status, "")
    assert [d.severity for d in found.diagnoses] == ([severity] if severity else [])


def test_a_node_open_to_all_that_works() -> None:
    assert result(whole(kvm()), KvmUnusable).status is Status.PASS


@pytest.mark.parametrize("probe", [hosts.denied(NODE), EACCES])
def test_what_could_not_be_tried_is_unknown(probe: Any) -> None:
    found = result(whole(kvm(), answers(probe)), KvmUnusable)
    assert found.status is Status.UNKNOWN
    assert "run as root" in str(found.reason)


def test_without_a_node_nothing_is_claimed() -> None:
    assert result(whole(), KvmUnusable).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        "[    4.1] kvm: disabled by bios",
        "[    4.1] kvm: support for 'kvm_amd' disabled by bios",
        "[    4.1] kvm_amd: SVM disabled (by BIOS) in MSR_VM_CR on CPU 0",
        "[    0.1] x86/cpu: VMX (outside TXT) disabled by BIOS",
        "[    4.1] kvm_intel: VMX not enabled (by BIOS) in MSR_IA32_FEAT_CTL on CPU 0",
        "[    0.1] x86/cpu: SGX disabled by BIOS.",
    ],
)
def test_a_flag_that_the_firmware_has_locked(line: str) -> None:
    """Kernels before 5.6, and all on AMD, keep the flag although KVM cannot start."""
    log = hosts.ran(("dmesg",), f"{line}\n")
    off = hosts.changed(amd(), absent=[NODE], commands={("dmesg",): log})
    locked = "SGX" not in line
    found = result(off, CpuVirtualizationOff)
    assert found.status is (Status.FAIL if locked else Status.PASS)
    assert [d.finding.who_acts for d in found.diagnoses] == [Actor.FIRMWARE] * locked
    works = hosts.changed(whole(*amd_desktop(), kvm()), commands={("dmesg",): log})
    assert result(works, CpuVirtualizationOff).status is Status.PASS


def test_a_log_that_is_denied_decides_nothing() -> None:
    off = hosts.changed(
        amd(), absent=[NODE], commands={("dmesg",): hosts.denied("dmesg")}
    )
    assert result(off, CpuVirtualizationOff).status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("files", "source"),
    [
        ({"/proc/cmdline": "kvm.report_ignored_msrs=maybe\n"}, "kernel command line"),
        (
            {
                "/proc/cmdline": "quiet\n",
                "/etc/modprobe.d/kvm.conf": "options kvm report_ignored_msrs=maybe\n",
            },
            "/etc/modprobe.d/kvm.conf:1",
        ),
    ],
)
def test_a_value_that_the_kernel_refuses_is_the_cause(
    files: dict[str, Any], source: str
) -> None:
    host = whole(cpu("GenuineIntel", "Core", "fpu vmx", 46), Parts(files))
    (one,) = result(host, KvmDeviceMissing).diagnoses
    assert one.finding.message.id == "kvm-kept-by-value"
    assert "kvm.report_ignored_msrs=maybe" in str(one.finding.advice)
    assert source in [str(row.source) for row in one.finding.evidence]


@for_each(
    ("text", "value"),
    [
        (None, True),
        ("E", True),
        ("on", True),
        ("d", False),
        ("off", False),
        ("x", None),
    ],
)
def test_booleans_of_the_kernel(text: str | None, value: bool | None) -> None:
    assert kernel_boolean(text) is value
