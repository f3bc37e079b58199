"""People may be called like what a diagnosis rests on."""

from __future__ import annotations

import pytest

from support.hosts import build
from vfio_doctor.host.capture_io import members
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Kind, Stat
from vfio_doctor.host.redaction.leaks import search
from vfio_doctor.host.redaction.redact import redact

RULE = 'SUBSYSTEM=="kvmfr", OWNER="{0}", GROUP="kvm", MODE="0660"\n'
NAMES = ("kvm", "libvirt", "fedora", "host", "bo", "intel", "mode", "status", "kernel")


def host_of(name: str) -> CapturedHost:
    return build(
        {
            "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
            f"{name}:x:1000:1000::/home/{name}:\n",
            "/etc/group": f"kvm:x:36:{name},qemu\nwheel:x:10:{name}\n",
            "/etc/udev/rules.d/99-kvmfr.rules": RULE.format(name),
            "/proc/cmdline": "intel_iommu=on iommu=pt\n",
        },
        stats={
            "/dev/kvmfr0": Stat(Kind.CHAR, 0o660, 1000, 36, name, "kvm", (240, 0)),
        },
        folders=(f"/home/{name}",),
    )


@pytest.mark.parametrize("name", NAMES)
def test_only_the_name_goes(name: str) -> None:
    done = redact(host_of(name).capture)
    files = {path: str(data, "utf-8") for path, data in done.capture.files.items()}  # type: ignore[arg-type]
    assert files["/proc/cmdline"] == "intel_iommu=on iommu=pt\n"
    assert files["/etc/udev/rules.d/99-kvmfr.rules"] == RULE.format("user1")
    assert "user1:x:1000:1000::/home/user1:" in files["/etc/passwd"]
    assert files["/etc/group"] == "kvm:x:36:user1,qemu\nwheel:x:10:user1\n"
    node = done.capture.stats["/dev/kvmfr0"]
    assert isinstance(node, Stat)
    assert (node.user, node.group) == ("user1", "kvm")
    assert "/home/user1" in done.capture.lists
    assert done.capture.lists["/home"] == ("user1",)
    assert search(members(done.capture), done.names) == ()


def test_a_value_that_is_left_is_named_by_kind_only() -> None:
    host = host_of("rosalinde")
    done = redact(host.capture)
    leaks = search(members(host.capture), done.names)
    assert {leak.kind for leak in leaks} == {"user"}
    assert "rosalinde" not in str(leaks)
