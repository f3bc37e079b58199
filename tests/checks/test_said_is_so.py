"""What a report says is so, and what it promises is what the plan does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support import hosts
from support.fixture_hosts import looking_glass as lg
from support.fixture_hosts.hardware import (
    amd_desktop,
    instead,
    intel_desktop,
    kvm,
    kvm_not_loaded,
)
from support.fixture_hosts.parts import Parts, Recipe, capture, file, gone
from support.fixture_hosts.recipes import arch, debian
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save_text
from vfio_doctor.host.redaction.redact import redact

RULE = "/etc/udev/rules.d/70-kvmfr.rules"
VENDOR = "/usr/lib/udev/rules.d/70-kvmfr.rules"
GOOD = 'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", TAG+="uaccess"'
BAD = 'SUBSYSTEM=="kvmfr", GROUP="qemu", MODE="0660"'
GRUB = "/etc/default/grub"
LOADER_INFO = (
    "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
)
CLOSED = lg.loaded(lg.node("root", 0, "root", 0, 0o600), 64)


def log(*lines: str) -> Parts:
    text = "".join(f"[    {n}.000100] {line}\n" for n, line in enumerate(lines, 1))
    return Parts(commands={("dmesg",): hosts.ran(("dmesg",), text)})


class Row(NamedTuple):
    """A host; the first cause with its message; what the plan does, or why nothing."""

    base: Recipe
    parts: tuple[Parts, ...]
    check: str
    message: str
    summary: str = ""
    refused: str = ""
    files: tuple[str, ...] = ()


LEFTOVER = "Take the leftover rule away; the good one stays as it is"
ACCESS = "Write the udev rule so that you and QEMU can open the device"
ROWS = {
    "a vendor's file of the name that is written": Row(
        debian.HEALTHY,
        (
            CLOSED,
            lg.no_rule(),
            file(VENDOR, f"# for kvm\n{BAD}\n"),
        ),
        "kvmfr-group-unknown",
        "in-order",
        ACCESS,
        files=(RULE,),
    ),
    "a vendor's file of that name with other rules": Row(
        debian.HEALTHY,
        (CLOSED, lg.no_rule(), file(VENDOR, 'SUBSYSTEM=="kvmfr", SYMLINK+="lg"\n')),
        "kvmfr-device-owner",
        "kvmfr-node-closed",
        refused="grant-kvmfr-would-hide",
    ),
    "a bad rule behind the good one": Row(
        debian.HEALTHY,
        (CLOSED, file("/etc/udev/rules.d/98-x.rules", 'KERNEL=="kvmfr0", MODE="0600"')),
        "kvmfr-rule-owner",
        "in-order",
        LEFTOVER,
        files=("/etc/udev/rules.d/98-x.rules",),
    ),
    "a final group before the good rule, in its file": Row(
        debian.HEALTHY,
        (
            file(
                RULE,
                f'SUBSYSTEM=="kvmfr", PROGRAM=="/bin/w", GROUP:="libvirt"\n{GOOD}\n',
            ),
        ),
        "kvmfr-rule-owner",
        "kvmfr-rule-leftover",
        LEFTOVER,
        files=(RULE,),
    ),
    "a rule that was never applied": Row(
        debian.HEALTHY,
        (CLOSED,),
        "kvmfr-device-owner",
        "kvmfr-node-closed",
        "Trigger udev again, so that the rule is applied",
    ),
    "arguments behind the value, without quotes": Row(
        debian.GRUB,
        (file(GRUB, "GRUB_CMDLINE_LINUX_DEFAULT=quiet intel_iommu=on iommu=pt\n"),),
        "grub-file-broken",
        "grub-file-broken",
    ),
    "a key rejected, and nothing that demands one": Row(
        debian.HEALTHY,
        (
            lg.not_loaded(),
            log(
                "systemd-modules-load[312]: Failed to insert module 'kvmfr': Key was"
                " rejected by service"
            ),
        ),
        "kvmfr-module-rejected",
        "kvmfr-module-key-rejected",
    ),
    "the key of another module rejected": Row(
        debian.HEALTHY,
        (
            lg.not_loaded(),
            log(
                "systemd-modules-load[312]: Failed to insert module 'nvidia': Key was"
                " rejected by service"
            ),
        ),
        "kvmfr-module-not-loaded",
        "kvmfr-module-not-loaded",
        "Load the kvmfr module",
    ),
    "limine without any file of its own": Row(
        arch.HEALTHY,
        (
            kvm("Y", "Y"),
            file("/proc/cmdline", "root=PARTUUID=0f1e2d3c-01 rw kvm.ignore_msrs=1\n"),
            gone("/boot/loader", "/boot/EFI", "/sys/firmware/efi", "/usr/bin/bootctl"),
            file(LOADER_INFO, b"\7\0\0\0" + "Limine 9.2.0\0".encode("utf-16-le")),
        ),
        "kvm-reports-ignored-msrs",
        "msrs-reported-now",
        refused="limine-kept-by-hand",
    ),
    "a parameter of a module that is not loaded": Row(
        debian.HEALTHY,
        (kvm_not_loaded(), *debian.with_arguments("quiet intel_iommu=on")),
        "kvm-reports-ignored-msrs",
        "msrs-report-recipe",
        "Set kvm.report_ignored_msrs=0, for the next boot",
    ),
    "a broken table of AMD's": Row(
        debian.AMD,
        (
            *instead(amd_desktop(iommu=False)),
            log("AMD-Vi: [Firmware Bug]: IVRS invalid checksum"),
        ),
        "iommu-off",
        "iommu-not-used",
        refused="iommu-amd-needs-no-argument",
    ),
    "a broken table of Intel's": Row(
        debian.PLAIN,
        (
            *instead(intel_desktop(iommu=False)),
            *debian.with_arguments("quiet"),
            kvm("N", "N", "kvm_intel"),
            log("Your BIOS is broken; DMAR reported at address fed90000 returns all"),
        ),
        "iommu-off",
        "iommu-not-used",
        refused="iommu-table-broken",
    ),
}


def told(path: Path, *words: str) -> dict[str, Any]:
    out = path.with_suffix(".json")
    out.unlink(missing_ok=True)
    said = ["--capture", str(path), *words, "--format", "json", "-o", str(out)]
    status(said)
    document: dict[str, Any] = json.loads(out.read_text())
    return document


@pytest.mark.parametrize("redacted", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_the_report_and_its_plan(name: str, redacted: bool, tmp_path: Path) -> None:
    row = ROWS[name]
    made = capture(row.base.but("sick", "a test", *row.parts))
    path = tmp_path / "sick.host"
    save_text(redact(made).capture if redacted else made, path)
    report = told(path, "--fix", "--dry-run")
    failed = {c["id"]: c for c in report["checks"] if c["status"] == "fail"}
    assert row.check in failed, sorted(failed)
    (finding, *_) = failed[row.check]["findings"]
    assert finding["messages"]["message"]["id"] == row.message
    offer = finding["fix"]
    plan = report["plan"]
    about = [
        fix
        for fix in plan["fixes"]
        if row.check in {each["check"] for each in fix["findings"]}
    ]
    assert [fix["summary"] for fix in about] == ([row.summary] if row.summary else [])
    if row.refused:
        assert row.refused in json.dumps(offer)
    if row.summary:
        assert offer["summary"] == row.summary
    wished = {c["wish"].get("path") for fix in about for c in fix["changes"]} - {None}
    assert wished == set(row.files)
