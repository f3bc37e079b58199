from __future__ import annotations

import pytest

from support.hosts import build, changed, denied, ran
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.images.initramfs import InitramfsModules
from vfio_doctor.facts.modules import (
    LOCKDOWN,
    SECURE_BOOT,
    SIG_ENFORCE,
    BuiltinModules,
    KernelMessages,
    KvmfrFile,
    KvmfrIndexed,
    KvmfrInfo,
    KvmfrLoaded,
    LoadedModules,
    ModuleSigning,
)
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why

REL = "6.1.0-28-amd64"
HOME = f"/lib/modules/{REL}"
BASE: dict[str, str | bytes | Missing] = {
    "/proc/sys/kernel/osrelease": f"{REL}\n",
    "/proc/modules": "kvm_amd 1 0 - Live 0x0\n\nkvmfr 1 0 - Live 0x0 (OE)\n",
    f"{HOME}/modules.dep": "kernel/drivers/vfio/vfio.ko.xz:\n",
    f"{HOME}/modules.builtin": "kernel/drivers/pci/pci-stub.ko\n",
}
MODINFO = ("modinfo", "-k", REL, "kvmfr")


def facts(*extra: dict[str, str | bytes | Missing], **more: object) -> Facts:
    files = dict(BASE)
    for each in extra:
        files.update(each)
    return Facts(build(files, **more))  # type: ignore[arg-type]


def of(host: CapturedHost) -> Facts:
    return Facts(host)


def test_loaded_modules() -> None:
    loaded = facts()[LoadedModules]
    assert loaded.has("kvm-amd")
    assert not loaded.has("vfio")
    with pytest.raises(MissingFact):
        of(build({}))[LoadedModules]


def test_builtin_modules() -> None:
    assert facts()[BuiltinModules].has("pci_stub")
    assert not facts()[BuiltinModules].has("vfio")


@for_each(
    ("files", "folders", "expected"),
    [
        ({}, (), (False, "", ())),
        ({}, ("/sys/module/kvmfr",), (True, "", ())),
        (
            {"/sys/module/kvmfr/version": "0.0.12\n"},
            ("/sys/class/kvmfr/kvmfr0",),
            (True, "0.0.12", ("kvmfr0",)),
        ),
    ],
)
def test_kvmfr_loaded(
    files: dict[str, str | bytes | Missing],
    folders: tuple[str, ...],
    expected: tuple[bool, str, tuple[str, ...]],
) -> None:
    assert facts(files, folders=folders)[KvmfrLoaded] == expected


@pytest.mark.parametrize("path", ["/sys/module/kvmfr", "/sys/class/kvmfr"])
def test_kvmfr_loaded_unknown(path: str) -> None:
    host = build(BASE, {path: denied(path)}, ("/sys/module/kvmfr",))
    host.capture.stats[path] = denied(path)
    host.capture.lists[path] = denied(path)
    with pytest.raises(MissingFact):
        of(host)[KvmfrLoaded]


@for_each(
    "place",
    [
        "extra/kvmfr/kvmfr.ko.xz",
        "extra/kvmfr.ko",
        "updates/dkms/kvmfr.ko.zst",
        "updates/kvmfr.ko",
        "kernel/drivers/misc/kvmfr.ko.zst",
        "weak-updates/kvmfr/kvmfr.ko",
    ],
)
def test_file_in_a_usual_place(place: str) -> None:
    path = f"{HOME}/{place}"
    assert facts({path: b""})[KvmfrFile].running == path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("odd/place/kvmfr.ko.gz: x.ko", f"{HOME}/odd/place/kvmfr.ko.gz"),
        ("/abs/kvmfr.ko:", "/abs/kvmfr.ko"),
    ],
)
def test_file_by_index(line: str, expected: str) -> None:
    found = facts({f"{HOME}/modules.dep": f"a.ko:\n{line}\n"})
    assert found[KvmfrFile].running == expected
    assert found[KvmfrIndexed].indexed


def test_file_on_nixos() -> None:
    path = f"/run/booted-system/kernel-modules{HOME}/misc/kvmfr.ko.xz"
    assert facts({path: b""})[KvmfrFile].running == path


def test_no_file() -> None:
    other = "/lib/modules/5.10.0/updates/dkms/kvmfr.ko"
    found = facts({other: b""})
    file = found[KvmfrFile]
    assert isinstance(file.running, Missing)
    assert file.running.why is Why.ABSENT
    assert file.elsewhere == ("5.10.0",)
    assert not found[KvmfrIndexed].indexed


def test_file_unknown() -> None:
    index = f"{HOME}/modules.dep"
    file = facts({index: denied(index)})[KvmfrFile]
    assert isinstance(file.running, Missing)
    assert file.running.why is Why.DENIED
    with pytest.raises(MissingFact):
        facts({index: denied(index)})[KvmfrIndexed]


def test_folder_that_cannot_be_listed() -> None:
    host = build(BASE, folders=(f"{HOME}/updates",))
    host.capture.lists[f"{HOME}/updates"] = denied(f"{HOME}/updates")
    file = of(host)[KvmfrFile]
    assert isinstance(file.running, Missing)
    assert file.running.why is Why.DENIED


def _entry(release: str) -> dict[str, str | bytes | Missing]:
    return {
        "/run/ostree-booted": "",
        "/usr/bin/rpm-ostree": "",
        "/boot/loader/entries/ostree-1.conf": "version 1\noptions ro\n"
        f"linux /ostree/x/vmlinuz-{release}\n",
    }


def test_next_kernel_of_another_deployment() -> None:
    deployed = "/ostree/deploy/default/deploy/abc.0/usr/lib/modules/6.9.0"
    path = f"{deployed}/extra/kvmfr/kvmfr.ko.xz"
    file = facts(_entry("6.9.0"), {path: b""})[KvmfrFile]
    assert (file.next_release, file.following) == ("6.9.0", path)
    without = facts(_entry("6.9.0"), {f"{deployed}/modules.dep": "a.ko:\n"})[KvmfrFile]
    assert isinstance(without.following, Missing)
    assert without.following.why is Why.ABSENT


def test_next_kernel_out_of_sight() -> None:
    file = facts(_entry("6.9.0"))[KvmfrFile]
    assert isinstance(file.following, Missing)
    assert file.following.why is Why.FAILED


def test_next_kernel_is_this_one() -> None:
    path = f"{HOME}/extra/kvmfr.ko"
    file = facts(_entry(REL), {path: b""})[KvmfrFile]
    assert (file.next_release, file.following) == (REL, path)


def test_modinfo() -> None:
    text = f"filename: {HOME}/x.ko\nvermagic: {REL} SMP\n"
    assert facts(commands={MODINFO: ran(MODINFO, text)})[KvmfrInfo].info.release == REL


@pytest.mark.parametrize("command", [MODINFO, ("dmesg",)], ids=["modinfo", "dmesg"])
@pytest.mark.parametrize(
    "answer", [Missing("x", Why.DENIED), Missing("x", Why.ABSENT), 1]
)
def test_commands_that_fail(command: tuple[str, ...], answer: Missing | int) -> None:
    result = answer if isinstance(answer, Missing) else ran(command, "", answer)
    found = facts(commands={command: result})
    with pytest.raises(MissingFact):
        found[KvmfrInfo if command is MODINFO else KernelMessages]


def test_dmesg() -> None:
    answer = ran(("dmesg",), "kvmfr: creating 0 static devices\n")
    assert facts(commands={("dmesg",): answer})[KernelMessages].log.matches


CONFIDENTIAL = "confidentiality"
ON, OFF = b"\6\0\0\0\1", b"\6\0\0\0\0"


@for_each(
    ("files", "demand"),
    [
        ({LOCKDOWN: "[none] integrity confidentiality\n"}, None),
        ({LOCKDOWN: "none [integrity] confidentiality\n"}, (LOCKDOWN, "integrity")),
        ({LOCKDOWN: "none integrity [confidentiality]\n"}, (LOCKDOWN, CONFIDENTIAL)),
        ({SIG_ENFORCE: "Y\n", LOCKDOWN: denied(LOCKDOWN)}, (SIG_ENFORCE, "Y")),
        ({SIG_ENFORCE: "N\n"}, None),
        ({SECURE_BOOT: OFF}, None),
        ({SECURE_BOOT: ON, LOCKDOWN: "[none] integrity\n"}, None),
    ],
)
def test_signing(
    files: dict[str, str | bytes | Missing], demand: tuple[str, str] | None
) -> None:
    assert facts(files)[ModuleSigning].demanded_by() == demand


@for_each(
    "files",
    [
        {SECURE_BOOT: ON},
        {SECURE_BOOT: b"x"},
        {SECURE_BOOT: denied(SECURE_BOOT)},
        {LOCKDOWN: denied(LOCKDOWN)},
        {LOCKDOWN: "?"},
        {SIG_ENFORCE: denied(SIG_ENFORCE)},
    ],
)
def test_signing_unknown(files: dict[str, str | bytes | Missing]) -> None:
    with pytest.raises(MissingFact):
        facts(files)[ModuleSigning].demanded_by()


@for_each(
    ("files", "expected"),
    [
        ({}, None),
        ({"/etc/initramfs-tools/modules": "kvmfr\n"}, "/etc/initramfs-tools/modules"),
        ({"/etc/mkinitcpio.conf": "MODULES=(kvmfr)\n"}, "/etc/mkinitcpio.conf"),
        (
            {"/etc/dracut.conf.d/k.conf": 'force_drivers+=" kvmfr "\n'},
            "/etc/dracut.conf.d/k.conf",
        ),
        ({"/etc/dracut.conf.d/k.txt": 'force_drivers+=" kvmfr "\n'}, None),
        ({"/etc/dracut.conf.d/k.conf": 'add_drivers+=" kvmfr "\n'}, None),
        (
            {"/etc/mkinitcpio.conf": "MODULES=(kvmfr)\n", "/run/ostree-booted": ""},
            None,
        ),
    ],
)
def test_initramfs(
    files: dict[str, str | bytes | Missing], expected: str | None
) -> None:
    assert facts(files)[InitramfsModules].source("kvmfr") == expected


def test_the_base_host_changes() -> None:
    host = changed(build(BASE), {f"{HOME}/extra/kvmfr.ko": b""})
    assert of(host)[KvmfrFile].running == f"{HOME}/extra/kvmfr.ko"
