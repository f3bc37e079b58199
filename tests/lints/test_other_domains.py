"""Domains that nobody made for us: libvirt's own tests, and those of real people."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.corpus import FOLDER, OURS
from support.rows import for_each
from support.vm_hosts import facts
from vfio_doctor.lints import every
from vfio_doctor.lints.judge import Judged, judge

OWN = FOLDER / "domain-xml"
# A checkout of libvirt's tests has more than a thousand of them.
LIBVIRT = Path(os.environ.get("VFIO_DOCTOR_DOMAINS") or OURS / "domain-xml" / "libvirt")
PASSES = (b"<hostdev", b"type='hostdev'", b"type='nvme'")
TEXT_ONLY = tuple(lint for lint in every() if not lint.reads_host)
# Their makers wanted libvirt to refuse them.
WRONG = {
    "shmem-invalid-size.xml": {"vm-shm-power-of-two"},
    "shmem-small-size.xml": {"vm-shm-power-of-two"},
}
ALLOWED = {"vm-memballoon", "vm-cpu-mode", "vm-card-scattered"}
KNOWN_BAD = {
    "hostdev-vfio-zpci-duplicate.xml": {"vm-guest-address-twice"},
    "hostdev-pci-duplicate.xml": {"vm-hostdev-twice"},
}


def domains() -> list[Path]:
    found = sorted(LIBVIRT.rglob("*.xml"))
    assert len(found) >= 15
    return [path for path in found if b"<domain" in path.read_bytes()]


def judged(path: Path) -> Judged:
    return judge(path.read_bytes(), path.name, facts(), TEXT_ONLY)


def ids(found: Judged) -> set[str]:
    return {fault.lint.id for fault in found.faults}


def test_no_lint_speaks_of_a_domain_without_passthrough() -> None:
    plain = [p for p in domains() if not any(x in p.read_bytes() for x in PASSES)]
    assert len(plain) >= 12
    said = {path.name: ids(judged(path)) for path in plain}
    assert {name: found for name, found in said.items() if found} == {
        name: found for name, found in WRONG.items() if name in said
    }


def test_domains_with_passthrough_have_no_errors() -> None:
    given = [p for p in domains() if any(x in p.read_bytes() for x in PASSES)]
    assert given
    for path in given:
        assert ids(judged(path)) - ALLOWED == KNOWN_BAD.get(path.name, set()), path


@for_each(
    ("name", "said"),
    [
        ("14-stewi1014-win11.xml", {"vm-emulator-not-pinned", "vm-card-scattered"}),
        ("16-bryansteiner-win10.xml", {"vm-memballoon", "vm-card-scattered"}),
        ("17-kumutuk-win10.xml", {"vm-memballoon", "vm-card-scattered"}),
    ],
)
def test_domains_of_people(name: str, said: set[str]) -> None:
    assert ids(judged(OWN / name)) == said


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("07-urbanyl-looking-glass.xml", 17, "vm-no-domain"),
        ("24-portellam-vm-example.xml", 7, "verbatim"),
    ],
)
def test_what_is_no_definition_is_said(name: str, line: int, said: str) -> None:
    refused = judged(OWN / name).refused
    assert refused is not None
    assert refused.spot is not None
    assert (refused.message.id, refused.spot.line) == (said, line)
