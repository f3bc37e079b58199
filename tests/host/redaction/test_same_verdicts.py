"""What is left of a host is judged like the host."""

from __future__ import annotations

import io
import random

import pytest

from support.effort import on_hosts
from support.fixture_hosts import catalogue
from support.hosts import build
from support.planted import planted
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as registry
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.capture_io import load, save_archive
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Caller, Kind, Stat
from vfio_doctor.host.redaction.redact import Redaction, redact
from vfio_doctor.model import Message

REGISTRY = registry()
RULE = 'SUBSYSTEM=="kvmfr", OWNER="{0}", GROUP="kvm", MODE="0660"\n'
# For plans and tear-downs: no rule judges these.
NOT_READ = (
    "/boot/initr",
    "/etc/libvirt/hooks/",
    "/etc/mkinitcpio.d/",
    "/etc/selinux/targeted/",
    "/var/lib/selinux/",
)
# Names that mean something to a diagnosis, to a format or to this program.
ODD = (
    *("rules.d", "static_size_mb", "root1", "kvm2", "kvm", "libvirt", "fedora", "host"),
    *("bo", "intel", "mode", "status", "kernel", "grant", "user1", "hidden1-s", "off"),
    *("kvmfr0", "options", "y", "uaccess", "subsystem", "nobody1", "vfio-pci", "GROUP"),
    *("odd{", "with space", "ä", "x" * 70, "a.b@c"),
    *("quiet", "iommu", "menuentry", "0x10", "1a", "name1", "file2", "etc", "home"),
)


def _id(said: Message | None) -> str:
    return said.id if said else ""


def ends(capture: Capture) -> dict[str, object]:
    """Return how each check ends; of findings the sentences by id, and the repair."""
    facts = Facts(CapturedHost(capture), Options(areas=("kvmfr",)))
    return {
        result.id: (
            result.status,
            result.blocked_by,
            [
                (
                    *(d.severity, _id(d.finding.message), _id(d.finding.advice)),
                    d.fix and (d.fix.id, _id(d.fix.cannot), len(d.fix.changes)),
                )
                for d in result.diagnoses
            ],
        )
        for result in diagnose(facts, REGISTRY)
    }


def attached(made: Redaction) -> Capture:
    """What is left of a host, as an archive brings it."""
    file = io.BytesIO()
    save_archive(made.capture, file)
    file.seek(0)
    return load(file, "it")


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_of_every_fixture_host(name: str) -> None:
    capture = catalogue.capture(name)
    made = redact(capture)
    assert ends(attached(made)) == ends(capture)
    # Every file that a diagnosis reads has a format, or is meant to have none.
    out = dict(made.left_out)
    strays = ("/dev/kvmfr0", "/etc/apparmor", "/usr/local/bin", *NOT_READ)
    unknown = [p for p in capture.files if p.startswith(strays)]
    assert out.get("file of no known format", 0) <= len(unknown)
    assert "command of no known format" not in out


@pytest.mark.parametrize("name", on_hosts(catalogue.names()))
def test_of_every_fixture_host_full_of_secrets(name: str) -> None:
    capture = planted(name).capture
    assert ends(attached(redact(capture))) == ends(capture)


def host_of(name: str) -> Capture:
    return build(
        {
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
            f"qemu:x:107:107::/:\n{name}:x:1000:1000::/home/{name}:\n",
            "/etc/group": f"kvm:x:36:{name},qemu\n{name}:x:1000:\nqemu:x:107:\n",
            "/etc/udev/rules.d/99-kvmfr.rules": RULE.format(name),
            "/etc/udev/rules.d/99-zz.rules": f'SUBSYSTEM=="kvmfr", TAG+="{name}"\n',
            "/etc/libvirt/qemu.conf": f'user = "{name}"\ngroup = "{name}"\n',
            "/proc/cmdline": "intel_iommu=on iommu=pt kvmfr.static_size_mb=64\n",
            "/etc/modprobe.d/kvmfr.conf": "options kvmfr static_size_mb=128\n",
            "/etc/os-release": "ID=fedora\n",
        },
        stats={
            "/dev/kvmfr0": Stat(Kind.CHAR, 0o660, 1000, 36, name, "kvm", (240, 0)),
            "/dev/kvm": Stat(Kind.CHAR, 0o660, 0, 36, "root", "kvm", (10, 232)),
        },
        folders=(f"/home/{name}",),
        caller=Caller(0, 1000),
    ).capture


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_changes_nothing_and_goes(name: str) -> None:
    capture = host_of(name)
    made = redact(capture).capture
    assert ends(made) == ends(capture)
    rules = made.files["/etc/udev/rules.d/99-kvmfr.rules"]
    assert isinstance(rules, bytes)
    owner = rules.decode().partition('OWNER="')[2].partition('"')[0]
    assert owner != name or name == "user1"
    node = made.stats["/dev/kvmfr0"]
    assert isinstance(node, Stat)
    assert node.user == owner
    assert made.lists["/home"] == (owner,)
    assert f"{owner}:x:1000:1000::/home/{owner}:\n".encode() in (
        made.files["/etc/passwd"] or b""
    )


@pytest.mark.parametrize("seed", range(12))
def test_renaming_people_changes_nothing(seed: int) -> None:
    """An account may be called like any word that a host uses."""
    source = random.Random(seed)
    capture = catalogue.capture(source.choice(catalogue.names()))
    text = " ".join(
        data.decode("utf-8", "replace")
        for data in capture.files.values()
        if isinstance(data, bytes) and len(data) < 4000
    )
    plain = sorted({w for w in text.split() if w.isalnum() and w[0].isalpha()})
    name = source.choice(plain).lower()
    made = redact(capture).capture
    for path in ("/etc/passwd", "/etc/group"):
        data = capture.files.get(path)
        if isinstance(data, bytes):
            capture.files[path] = data.replace(b"alice", name.encode())
    for path, data in list(capture.files.items()):
        if "rules.d" in path and isinstance(data, bytes):
            capture.files[path] = data.replace(b'"alice"', f'"{name}"'.encode())
    again = redact(capture).capture
    assert ends(again) == ends(capture)
    line = "/proc/cmdline"
    assert made.files.get(line) == again.files.get(line)


@pytest.mark.parametrize("name", ["healthy-bazzite", "real-healthy", "debian12-grub"])
def test_a_second_redaction_changes_no_verdict_and_no_name(name: str) -> None:
    first = redact(planted(name).capture).capture
    second = redact(first).capture
    assert ends(second) == ends(first)
    for path in ("/etc/passwd", "/proc/cmdline", "/etc/udev/rules.d/99-kvmfr.rules"):
        assert second.files.get(path) == first.files.get(path)
