from __future__ import annotations

from collections.abc import Mapping

import pytest

from support.hosts import build, denied, ran
from support.rows import for_each
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.kvmfr.install import KvmfrInstall
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult, Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import CheckResult, Status
from vfio_doctor.parse.efi_keys import Certificate, written

REL = "6.1.0-28-amd64"
HOME = f"/lib/modules/{REL}"
KO = f"{HOME}/updates/dkms/kvmfr.ko"
MODINFO = ("modinfo", "-k", REL, "kvmfr")
SIGNED = "signer: DKMS key\nsig_id: PKCS#7\n"
LOCKED = {"/sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}
UNLOCKED = {"/sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}
REFUSED = "Loading of module with unavailable key is rejected\n"

Files = Mapping[str, str | bytes | Missing]


def host(
    files: Files,
    info: str | None = f"filename: {KO}\nvermagic: {REL} SMP\n",
    log: str | Missing = "",
    loaded: bool = False,
    devices: tuple[str, ...] = (),
    os: str = "debian",
) -> CapturedHost:
    commands: dict[tuple[str, ...], CommandResult | Missing] = {
        ("dmesg",): log if isinstance(log, Missing) else ran(("dmesg",), log)
    }
    if info is not None:
        commands[MODINFO] = ran(MODINFO, info)
    base: dict[str, str | bytes | Missing] = {
        "/proc/sys/kernel/osrelease": f"{REL}\n",
        "/proc/cmdline": "quiet\n",
        "/proc/modules": "kvm 1 0 - Live 0x0\n",
        "/etc/os-release": f"ID={os}\n",
        f"{HOME}/modules.dep": "updates/dkms/kvmfr.ko:\n" if KO in files else "",
        "/etc/udev/rules.d/70-kvmfr.rules": "",
    }
    sys = [f"/sys/class/kvmfr/{name}" for name in devices]
    folders = (*sys, *(("/sys/module/kvmfr",) if loaded else ()))
    return build({**base, **files}, folders=folders, commands=commands)


def result(host: CapturedHost, check: str) -> CheckResult:
    (found,) = diagnose(Facts(host), load(), select=[check])
    assert not found.trace
    return found


def only(host: CapturedHost, check: str) -> str:
    found = result(host, check)
    assert found.status is Status.FAIL, found
    (diagnosis,) = found.diagnoses
    finding = diagnosis.finding
    rows = " | ".join(f"{e.source}: {e.observed}" for e in finding.evidence)
    return f"{finding.message} | {finding.advice} | {rows}"


MISSING, REJECTED = "kvmfr-module-missing", "kvmfr-module-rejected"
NOT_LOADED = "kvmfr-module-not-loaded"


MOK = "/sys/firmware/efi/mok-variables/MokListRT"
MOK_VARIABLE = (
    "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
)
DB = "/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
KEYED = (
    f"filename: {KO}\nvermagic: {REL} SMP\n{SIGNED}sig_key: 0A:1B:2C\n"
    "sig_hashalgo: sha256\n"
)
OURS, OLD = Certificate("a1b2c", "DKMS key"), Certificate("77", "DKMS key")
UBUNTU, DKMS = "/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub"
AKMODS = "/etc/pki/akmods/certs/public_key.der"


def keys(path: str, *held: Certificate) -> dict[str, bytes]:
    return {path: (b"" if path == MOK else bytes(4)) + written(held)}


@for_each(
    ("files", "log", "status", "message"),
    [
        (keys(MOK, OURS), "", Status.PASS, ""),
        (keys(MOK_VARIABLE, OLD, OURS), "", Status.PASS, ""),
        (keys(MOK, OLD) | keys(DB, OURS), "", Status.PASS, ""),
        # It has the name, and not the number: the key was made anew.
        (keys(MOK, OLD), REFUSED, Status.FAIL, "kvmfr-module-not-enrolled"),
        (keys(MOK), REFUSED, Status.FAIL, "kvmfr-module-not-enrolled"),
        # It may be built into the kernel.
        (keys(MOK, OLD), "", Status.UNKNOWN, ""),
        ({}, REFUSED, Status.FAIL, "kvmfr-module-untrusted"),
        ({}, "", Status.UNKNOWN, ""),
        (keys(DB, OLD), REFUSED, Status.FAIL, "kvmfr-module-untrusted"),
        ({MOK: b"broken"}, REFUSED, Status.FAIL, "kvmfr-module-untrusted"),
        # Enrolled since: the log is of before.
        (keys(MOK, OURS), REFUSED, Status.FAIL, "kvmfr-module-untrusted"),
    ],
)
def test_enrolled_keys(
    files: dict[str, bytes], log: str, status: Status, message: str
) -> None:
    machine = host({KO: "", **LOCKED, **files}, info=KEYED, log=log)
    shared = CapturedHost(redact(machine.capture).capture)
    again = CapturedHost(redact(shared.capture).capture)
    for each in (machine, shared, again):
        found = result(each, REJECTED)
        assert found.status is status, found
        said = [d.finding.message.id for d in found.diagnoses]
        assert said == [message] * bool(message)


@for_each(
    ("files", "path"),
    [
        ({UBUNTU: "", DKMS: ""}, UBUNTU),
        ({DKMS: "", AKMODS: ""}, DKMS),
        ({AKMODS: ""}, AKMODS),
        ({}, f"{DKMS} (for an akmod {AKMODS})"),
    ],
)
def test_the_key_to_enroll_is_named(files: dict[str, str], path: str) -> None:
    machine = host({KO: "", **LOCKED, **files}, info=KEYED, log=REFUSED)
    assert f"mokutil --import {path}`".replace(")`", ")") in only(
        machine, REJECTED
    ).replace("pub` (", "pub (")


def test_an_akmods_key_comes_first_for_its_module() -> None:
    there = {f"{HOME}/extra/kvmfr/kvmfr.ko": "", DKMS: "", AKMODS: ""}
    machine = host({**there, **LOCKED}, info=KEYED, log=REFUSED)
    assert f"mokutil --import {AKMODS}`" in only(machine, REJECTED)


@for_each("check", [MISSING, REJECTED, NOT_LOADED])
def test_nobody_is_nagged(check: str) -> None:
    quiet = build({"/proc/cmdline": "quiet\n", "/etc/passwd": "", "/etc/group": ""})
    assert result(quiet, check).status is Status.NOT_APPLICABLE


@for_each(
    ("os", "words"),
    [
        ("debian", f"apt install dkms linux-headers-{REL}"),
        ("fedora", f"dnf install dkms kernel-devel-{REL}"),
        ("arch", "looking-glass-module-dkms"),
        ("nixos", "boot.extraModulePackages"),
        ("gentoo", "headers of kernel"),
    ],
)
def test_missing(os: str, words: str) -> None:
    said = only(host({}, os=os), MISSING)
    assert words in said
    assert "70-kvmfr.rules" in said


@for_each(
    ("release", "package"),
    [
        ("6.12.8-arch1-1", "linux-headers"),
        ("6.12.8-1-lts", "linux-lts-headers"),
        ("6.12.8-zen1-1-zen", "linux-zen-headers"),
        ("6.11.11-hardened1-1-hardened", "linux-hardened-headers"),
        ("6.12.8-2-cachyos", "linux-cachyos-headers"),
        ("6.12.8-2-cachyos-lts", "linux-cachyos-lts-headers"),
        ("6.12.4-1-MANJARO", "linux612-headers"),
    ],
)
def test_headers_of_each_kernel_of_arch(release: str, package: str) -> None:
    running = {"/proc/sys/kernel/osrelease": release}
    advice = str(Facts(host(running, os="arch"))[KvmfrInstall].advice)
    assert f"--needed dkms {package}`" in advice


def test_headers_of_proxmox_have_a_name_of_their_own() -> None:
    running = {"/proc/sys/kernel/osrelease": "6.8.12-4-pve"}
    advice = str(Facts(host(running, os="debian"))[KvmfrInstall].advice)
    assert "dkms proxmox-headers-6.8.12-4-pve`" in advice
    assert "linux-headers" not in advice


def test_missing_where_the_system_is_not_known() -> None:
    path = "/etc/os-release"
    assert "looking-glass.io" in only(host({path: Missing(path, Why.ABSENT)}), MISSING)


@for_each(
    ("image", "words"),
    [
        ('{"image-name": "bluefin-dx"}', "image bluefin-dx does not ship"),
        ('{"image-name": "bazzite"}', "previous deployment"),
        (None, "of this host does not ship"),
    ],
)
def test_missing_from_an_image(image: str | None, words: str) -> None:
    path = "/usr/share/ublue-os/image-info.json"
    files: dict[str, str | bytes | Missing] = {
        "/run/ostree-booted": "",
        "/usr/bin/rpm-ostree": "",
    }
    if image:
        files[path] = image
    said = only(host(files), MISSING)
    assert words in said
    assert "/dev/shm/looking-glass" in said


def test_there_for_another_kernel_only() -> None:
    said = only(host({"/lib/modules/5.10.0/extra/kvmfr.ko": b""}), MISSING)
    assert f"dkms autoinstall -k {REL}" in said
    assert "/lib/modules/5.10.0" in said


def test_there_for_the_next_kernel() -> None:
    files: Files = {
        "/lib/modules/6.9.0/extra/kvmfr.ko": b"",
        "/run/ostree-booted": "",
        "/usr/bin/rpm-ostree": "",
        "/boot/loader/entries/ostree-1.conf": "version 1\nlinux /vmlinuz-6.9.0\n",
    }
    assert "Reboot" in only(host(files), MISSING)


def test_missing_or_not_cannot_be_told() -> None:
    index = f"{HOME}/modules.dep"
    assert result(host({index: denied(index)}), MISSING).status is Status.UNKNOWN


@for_each("check", [MISSING, REJECTED, NOT_LOADED])
def test_a_loaded_module_passes(check: str) -> None:
    assert result(host({}, loaded=True), check).status is Status.PASS


@pytest.mark.parametrize("check", [REJECTED, NOT_LOADED])
def test_the_cause_comes_first(check: str) -> None:
    found = result(host({}), check)
    assert (found.status, found.blocked_by) == (Status.BLOCKED, (MISSING,))


VERMAGIC = "filename: x\nvermagic: {}\n"


@for_each(
    ("files", "info", "log", "status"),
    [
        pytest.param(UNLOCKED, None, "", Status.UNKNOWN, id="no-modinfo"),
        pytest.param(UNLOCKED, VERMAGIC.format(REL), "", Status.PASS, id="free"),
        pytest.param(UNLOCKED, VERMAGIC.format("5.10 SMP"), "", Status.FAIL, id="old"),
        pytest.param(
            UNLOCKED,
            VERMAGIC.format("5.10 SMP modversions"),
            "",
            Status.UNKNOWN,
            id="symbols-decide",
        ),
        pytest.param(
            UNLOCKED,
            VERMAGIC.format("5.10 SMP modversions"),
            "kvmfr: disagrees about version of symbol x\n",
            Status.FAIL,
            id="symbols-have-decided",
        ),
        pytest.param(
            UNLOCKED,
            f"filename: {HOME}/weak-updates/kvmfr.ko\nvermagic: 5.14 SMP\n",
            "",
            Status.PASS,
            id="weak-update",
        ),
        pytest.param(LOCKED, VERMAGIC.format(REL), "", Status.FAIL, id="unsigned"),
        pytest.param(
            LOCKED, VERMAGIC.format(REL) + SIGNED, "", Status.UNKNOWN, id="signed"
        ),
        pytest.param(
            LOCKED, VERMAGIC.format(REL) + SIGNED, REFUSED, Status.FAIL, id="refused"
        ),
        pytest.param(
            LOCKED,
            VERMAGIC.format(REL) + SIGNED,
            denied("dmesg"),
            Status.UNKNOWN,
            id="log-denied",
        ),
        pytest.param(
            {"/sys/module/module/parameters/sig_enforce": "Y\n"},
            VERMAGIC.format(REL) + "sig_id: PKCS#7\n",
            REFUSED,
            Status.FAIL,
            id="enforced",
        ),
    ],
)
def test_rejected(
    files: Files, info: str | None, log: str | Missing, status: Status
) -> None:
    assert result(host({KO: b"", **files}, info, log), REJECTED).status is status


@for_each(
    ("info", "extra", "words"),
    [
        ("", {}, "dkms install --force"),
        (SIGNED, {}, "mokutil --import"),
        (SIGNED, {"/run/ostree-booted": "", "/usr/bin/rpm-ostree": ""}, "ujust enroll"),
    ],
)
def test_how_to_enroll(info: str, extra: Files, words: str) -> None:
    text = VERMAGIC.format(REL) + info
    sick = host({KO: b"", **LOCKED, **extra}, text, REFUSED)
    said = only(sick, REJECTED)
    assert words in said
    assert "kernel log: Loading of module" in said


@for_each(
    ("files", "words"),
    [
        ({}, "sudo tee /etc/modprobe.d/kvmfr.conf` ("),
        ({}, "Then run `sudo modprobe kvmfr`"),
        (
            {"/etc/modprobe.d/k.conf": "options kvmfr static_size_mb=128\n"},
            "| Run `sudo modprobe kvmfr`",
        ),
        (
            {"/etc/modprobe.d/k.conf": "options kvmfr static_size_mb=128M\n"},
            "'128M' is not a plain number",
        ),
        ({"/etc/modprobe.d/k.conf": "blacklist kvmfr\n"}, "k.conf:1 (blacklist)"),
        ({f"{HOME}/modules.dep": "a.ko:\n"}, "sudo depmod -a"),
        (
            {f"{HOME}/modules.dep": denied("modules.dep")},
            "Then run `sudo modprobe kvmfr`",
        ),
        (
            {"/etc/modprobe.d/k.conf": denied("/etc/modprobe.d/k.conf")},
            "Run `sudo modprobe kvmfr`",
        ),
    ],
)
def test_not_loaded(files: Files, words: str) -> None:
    assert words in only(host({KO: b"", **UNLOCKED, **files}), NOT_LOADED)
