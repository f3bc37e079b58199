"""AppArmor, SELinux and what a VM maps: false alarms and their neighbours."""

from __future__ import annotations

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts, file, gone
from support.fixture_hosts.recipes import libvirt as lv
from support.hosts import ran
from support.machines import result, whole
from vfio_doctor.checks.kvmfr.confinement import (
    KvmfrApparmorDenies,
    KvmfrSelinuxLabel,
)
from vfio_doctor.checks.kvmfr.vm import KvmfrNoLibvirt, KvmfrVmMapping
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.libvirt.confinement import AUDIT_RECORDS, PASSED_OVER
from vfio_doctor.fixes.kvmfr.confinement import LabelKvmfr
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Actor, CheckResult, Message, Severity, Status

ABSTRACTIONS = "/etc/apparmor.d/abstractions"
HOOK = f"{ABSTRACTIONS}/libvirt-qemu.d"
LOADED = "/sys/kernel/security/apparmor/profiles"
OLD_HOOK = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
NO_RULE = gone(HOOK)
RULE = "/dev/kvmfr0 rw,\n"
OLD = file(
    f"{ABSTRACTIONS}/libvirt-qemu", "#include <local/abstractions/libvirt-qemu>\n"
)


def profile(name: str, rules: str, flags: str = "attach_disconnected") -> Parts:
    text = f"profile libvirt-1 flags=({flags}) {{\n  {rules}}}\n"
    return file(f"/etc/apparmor.d/libvirt/{name}", text)


def armored(*parts: Parts) -> CheckResult:
    return result(whole(*lv.MONOLITHIC.parts, *parts), KvmfrApparmorDenies)


def labelled(*parts: Parts) -> CheckResult:
    return result(whole(*lv.MODULAR.parts, *parts), KvmfrSelinuxLabel)


def log(line: str) -> Parts:
    return Parts(commands={("dmesg",): hosts.ran(("dmesg",), f"{line}\n")})


UNASKED = lv.conf(f"security_default_confined = 0\n{lv.OWN_LIST}", "libvirt-qemu")
LABELLED = file(
    lv.VM_FILE,
    str(lv.vm(64).files[lv.VM_FILE]).replace(
        "</domain>", "<seclabel type='dynamic' model='apparmor'/></domain>"
    ),
)
OFF = Parts(stats={"/etc/apparmor.d/disable/usr.sbin.libvirtd": hosts.link("../x")})
DENIED = 'audit: apparmor="DENIED" operation="open" profile="libvirt-1" name="{}"'
AVC = (
    'avc: denied {{ open }} name="kvmfr0" scontext=u:r:svirt_t:s0'
    " tcontext=u:object_r:{}:s0 tclass=chr_file permissive=0"
)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((NO_RULE,), Status.FAIL),
        ((NO_RULE, file(OLD_HOOK, RULE)), Status.FAIL),
        ((NO_RULE, OLD, file(OLD_HOOK, RULE)), Status.PASS),
        ((OLD,), Status.FAIL),
        ((file(f"{HOOK}/own", "deny /dev/kvmfr0 rw,\n"),), Status.FAIL),
        ((NO_RULE, profile("TEMPLATE.qemu", RULE)), Status.PASS),
        ((NO_RULE, profile("TEMPLATE.qemu", "", "complain")), Status.PASS),
        ((NO_RULE, profile("libvirt-1", RULE)), Status.PASS),
        ((NO_RULE, profile("libvirt-1", "", "complain")), Status.PASS),
        (
            (
                NO_RULE,
                profile("libvirt-1", RULE),
                profile("libvirt-2", "/dev/kvm rw,\n"),
            ),
            Status.UNKNOWN,
        ),
        # Files that AppArmor passes over in a folder, and a profile of its own.
        *(
            ((NO_RULE, file(f"{HOOK}/kvmfr{ending}", RULE)), Status.FAIL)
            for ending in PASSED_OVER
        ),
        ((NO_RULE, file(f"{HOOK}/.kvmfr.swp", RULE)), Status.FAIL),
        ((NO_RULE, file(f"{HOOK}/README", RULE)), Status.FAIL),
        ((NO_RULE, file(f"{HOOK}/kvmfr.conf", RULE)), Status.PASS),
        ((NO_RULE, file(f"{HOOK}/kvmfr", f"profile x {{\n{RULE}}}\n")), Status.FAIL),
        ((NO_RULE, file(f"{HOOK}/kvmfr", "file,\n")), Status.PASS),
        (
            (
                *(NO_RULE, file(f"{HOOK}/own", "include <local/mine>\n")),
                file("/etc/apparmor.d/local/mine", "/dev/kvmfr0\n  rw,\n"),
            ),
            Status.PASS,
        ),
        (
            (NO_RULE, file("/sys/module/apparmor/parameters/enabled", "N\n")),
            Status.NOT_APPLICABLE,
        ),
        ((gone("/etc/apparmor.d"),), Status.NOT_APPLICABLE),
        ((NO_RULE, lv.conf('security_driver = "none"\n')), Status.NOT_APPLICABLE),
        ((NO_RULE, UNASKED), Status.PASS),
        ((NO_RULE, UNASKED, LABELLED), Status.FAIL),
        ((NO_RULE, OFF), Status.NOT_APPLICABLE),
        ((NO_RULE, OFF, file(LOADED, "libvirtd (enforce)\n")), Status.FAIL),
        ((NO_RULE, lv.conf('security_driver = ["selinux"]\n')), Status.NOT_APPLICABLE),
        ((NO_RULE, file(LOADED, "/usr/sbin/libvirtd (enforce)\n")), Status.FAIL),
        ((NO_RULE, file(LOADED, "libvirtd (complain)\n")), Status.FAIL),
        # The profile of a daemon that is not installed confines nothing.
        ((NO_RULE, file(LOADED, "virtqemud (enforce)\n")), Status.NOT_APPLICABLE),
        (
            (
                *(NO_RULE, file(LOADED, "virtqemud (enforce)\n")),
                lv.programs("virtqemud"),
            ),
            Status.FAIL,
        ),
        # libvirt confines no VM if its daemon has no profile.
        ((NO_RULE, file(LOADED, "cupsd (enforce)\n")), Status.NOT_APPLICABLE),
        # A record of before the rule was written is no fault of now.
        ((log(DENIED.format("/dev/kvmfr0")),), Status.PASS),
        ((gone("/etc/apparmor.d"), log(DENIED.format("/dev/kvmfr0"))), Status.FAIL),
        (
            (gone("/etc/apparmor.d"), log(DENIED.format("/dev/kvmfr1"))),
            Status.NOT_APPLICABLE,
        ),
    ],
)
def test_apparmor(parts: tuple[Parts, ...], status: Status) -> None:
    found = armored(*parts)
    assert found.status is status, found


def test_a_rule_file_that_nobody_may_read_may_open_it() -> None:
    path = f"{HOOK}/kvmfr"
    found = armored(Parts(files={path: hosts.denied(path)}))
    assert (found.status, found.needs_root) == (Status.UNKNOWN, True)


@pytest.mark.parametrize("model", ["", " model='apparmor'"])
def test_a_vm_that_is_not_confined_is_left_alone(model: str) -> None:
    text = str(lv.vm(64).files[lv.VM_FILE])
    label = f"<seclabel type='none'{model}/></domain>"
    free = file(lv.VM_FILE, text.replace("</domain>", label))
    assert not armored(NO_RULE, free).diagnoses


def enforcing(on: str) -> Parts:
    return file("/sys/fs/selinux/enforce", on)


STORE = "/var/lib/selinux/targeted/active/modules/400/kvmfr"


PERMISSIVE = STORE.replace(STORE.rpartition("/")[2], "permissive_svirt_t")
OWN_LABEL = file(
    lv.VM_FILE,
    str(lv.vm(128).files[lv.VM_FILE]).replace(
        "</domain>", "<seclabel type='static' model='selinux'/></domain>"
    ),
)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((lv.selinux("device_t"),), Status.FAIL),
        ((lv.selinux("svirt_tmpfs_t"),), Status.FAIL),
        ((lv.selinux("default_t"),), Status.FAIL),
        ((lv.selinux("kvmfr_device_t"),), Status.UNKNOWN),
        (
            (lv.selinux("kvmfr_device_t"), log(AVC.format("kvmfr_device_t"))),
            Status.FAIL,
        ),
        ((log(AVC.format("device_t")),), Status.PASS),
        ((lv.selinux("device_t"), enforcing("0")), Status.FAIL),
        ((lv.selinux("device_t"), gone("/sys/fs/selinux")), Status.NOT_APPLICABLE),
        ((lv.selinux(""),), Status.UNKNOWN),
        # Categories, which only a VM that has them too gets past.
        ((lv.selinux("svirt_image_t", "s0:c12,c34"),), Status.FAIL),
        ((lv.selinux("svirt_image_t", "s0:c0.c1023"),), Status.FAIL),
        ((lv.selinux("svirt_image_t", "s0:c12,c34"), OWN_LABEL), Status.UNKNOWN),
        (
            (lv.selinux("svirt_image_t", "s0:c12"), enforcing("0")),
            Status.PASS,
        ),
        ((lv.selinux("device_t"), file(f"{PERMISSIVE}/cil", "")), Status.UNKNOWN),
        ((lv.selinux("svirt_image_t"), file(f"{PERMISSIVE}/cil", "")), Status.PASS),
        ((lv.selinux("device_t"), file(f"{STORE}/cil", "")), Status.UNKNOWN),
        (
            (
                *(lv.selinux("device_t"), file(f"{STORE}/cil", "")),
                log(AVC.format("device_t")),
            ),
            Status.FAIL,
        ),
    ],
)
def test_selinux(parts: tuple[Parts, ...], status: Status) -> None:
    found = labelled(*parts)
    assert found.status is status, found


def test_categories_are_taken_away_by_hand() -> None:
    (said,) = labelled(lv.selinux("svirt_image_t", "s0:c12,c34")).diagnoses
    assert said.finding.who_acts is Actor.USER
    assert "`sudo chcon -l s0 /dev/kvmfr0`" in str(said.finding.advice)
    assert "c12,c34" in str(said.finding.message)


def audited(line: str) -> Parts:
    """Return that auditd has the records, and so the kernel's log has none."""
    asked = ran(AUDIT_RECORDS, f"AVC {line} comm=qemu path=/dev/kvmfr0\n")
    return Parts(folders=("/var/log/audit",), commands={AUDIT_RECORDS: asked})


def test_records_of_auditd_count_as_the_kernels_do() -> None:
    label, line = lv.selinux("kvmfr_device_t"), AVC.format("kvmfr_device_t")
    (found,) = labelled(label, audited(line)).diagnoses
    assert found.finding.message.id == "kvmfr-selinux-denied"
    without = gone("/var/log/audit")
    assert labelled(label, audited(line), without).status is Status.UNKNOWN
    good, other = lv.selinux("svirt_image_t"), AVC.format("device_t")
    assert labelled(good, audited(other)).status is Status.PASS


@pytest.mark.parametrize(
    ("label", "advice"),
    [
        ("svirt_image_t", "kvmfr-selinux-by-rule"),
        ("device_t", "kvmfr-selinux-relabel"),
    ],
)
def test_a_label_of_a_udev_rule_is_applied_not_set_again(
    label: str, advice: str
) -> None:
    rule = f'SUBSYSTEM=="kvmfr", SECLABEL{{selinux}}="system_u:object_r:{label}:s0"\n'
    own = file("/etc/udev/rules.d/70-kvmfr-label.rules", rule)
    host = whole(*lv.MODULAR.parts, lv.selinux("device_t"), own)
    registry = Registry((KvmfrSelinuxLabel,), (LabelKvmfr,), (), ())
    shared = CapturedHost(redact(host.capture).capture)
    for each in (host, shared):
        (found,) = diagnose(Facts(each), registry)[0].diagnoses
        assert found.finding.advice is not None
        assert found.finding.advice.id == advice
        assert (found.fix is None) is (label != "device_t")


def test_the_policy_may_have_another_name() -> None:
    other = file("/etc/selinux/config", "SELINUXTYPE=default\n")
    own = file(f"{STORE.replace('targeted', 'default')}/cil", "")
    plain = lv.selinux("device_t")
    assert labelled(plain, other, own).status is Status.UNKNOWN
    assert labelled(plain, other, file(f"{STORE}/cil", "")).status is Status.FAIL


LOCAL = "/var/lib/selinux/default/active/modules/400"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((), Status.FAIL),
        ((file(f"{LOCAL}/my-kvmfr/cil", ""),), Status.UNKNOWN),
        ((file(f"{LOCAL}/vfio-doctor-kvmfr/cil", ""),), Status.PASS),
        # It says nothing of a device that nothing labels.
        (
            (
                *(file(f"{LOCAL}/vfio-doctor-kvmfr/cil", ""), lv.selinux("device_t")),
                lv.DEFAULT_POLICY,
            ),
            Status.FAIL,
        ),
        ((lv.selinux("kvmfr_device_t"),), Status.UNKNOWN),
        ((file("/etc/selinux/config", "SELINUXTYPE=targeted\n"),), Status.PASS),
    ],
)
def test_debians_policy_lets_no_vm_map_the_device(
    parts: tuple[Parts, ...], status: Status
) -> None:
    found = result(whole(*lv.CONFINED.parts, *parts), KvmfrSelinuxLabel)
    assert found.status is status, found


@pytest.mark.parametrize(
    ("vm", "message", "severity"),
    [
        (lv.vm(128), "", None),
        (lv.vm(256), "kvmfr-vm-larger", Severity.ERROR),
        (lv.vm(64), "kvmfr-vm-smaller", Severity.WARNING),
        (lv.vm(96), "kvmfr-vm-odd-size", Severity.ERROR),
        (lv.vm(128, share="false"), "kvmfr-vm-not-shared", Severity.ERROR),
        (lv.vm(128, share="'on'"), "kvmfr-vm-share-quoted", Severity.ERROR),
        (lv.vm(0), "kvmfr-vm-no-size", Severity.ERROR),
        (lv.vm(128, "/dev/kvmfr1"), "kvmfr-vm-no-such-device", Severity.ERROR),
    ],
)
def test_what_a_vm_maps(vm: Parts, message: str, severity: Severity | None) -> None:
    found = result(whole(*lv.MODULAR.parts, vm), KvmfrVmMapping)
    shown = [(d.finding.message.id, d.severity) for d in found.diagnoses]
    assert shown == ([(message, severity)] if message else [])


def test_memory_that_no_device_shows() -> None:
    text = str(lv.vm(128).files[lv.VM_FILE])
    bare = text.replace("ivshmem-plain", "virtio-rng-pci")
    assert bare != text
    found = result(whole(*lv.MODULAR.parts, file(lv.VM_FILE, bare)), KvmfrVmMapping)
    shown = [(d.finding.message.id, d.severity) for d in found.diagnoses]
    assert shown == [("kvmfr-vm-unseen", Severity.ERROR)]


def test_a_size_in_mib_is_no_room_for_a_picture() -> None:
    text = str(lv.vm(128).files[lv.VM_FILE]).replace(str(128 << 20), "128")
    found = result(whole(*lv.MODULAR.parts, file(lv.VM_FILE, text)), KvmfrVmMapping)
    shown = [(d.finding.message.id, d.severity) for d in found.diagnoses]
    assert shown == [("kvmfr-vm-tiny", Severity.ERROR)]


@pytest.mark.parametrize(
    ("mib", "other"),
    [(256, "kvmfr-vm-grow-device"), (64, "kvmfr-vm-shrink-device"), (96, "")],
)
def test_the_device_may_follow_the_vm_both_ways(mib: int, other: str) -> None:
    found = result(whole(*lv.MODULAR.parts, lv.vm(mib)), KvmfrVmMapping)
    (diagnosis,) = found.diagnoses
    advice = diagnosis.finding.advice
    assert advice
    assert f"write 'size':{128 << 20} into" in str(advice)
    assert (f"--fix --size {mib}`" in str(advice)) is bool(other)
    said = [value.id for _, value in advice.params if isinstance(value, Message)]
    assert said == (["kvmfr-vm-set-size", other] if other else [])


def test_programs_that_are_gone() -> None:
    base, check = lv.MODULAR.parts, KvmfrNoLibvirt
    assert result(whole(*base), check).status is Status.PASS
    none = gone("/usr/bin/qemu-system-x86_64", "/usr/bin/virsh", "/usr/sbin/virtqemud")
    # The rest of the package is there: the programs may be elsewhere.
    assert result(whole(*base, none), check).status is Status.UNKNOWN
    found = result(whole(*base, none, gone(lv.CONF)), check)
    assert [d.finding.message.id for d in found.diagnoses] == ["kvmfr-no-libvirt"]
    found = result(whole(*base, gone("/usr/bin/qemu-system-x86_64")), check)
    assert [d.finding.message.id for d in found.diagnoses] == ["kvmfr-no-qemu"]
