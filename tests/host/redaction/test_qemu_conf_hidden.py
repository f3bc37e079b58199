"""libvirt takes or refuses qemu.conf for the same reason after redaction."""

from __future__ import annotations

import pytest

from vfio_doctor.host.redaction.libvirt import qemu_conf
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.parse.libvirt_conf import parse
from vfio_doctor.parse.qemu_conf import mistake


@pytest.mark.parametrize(
    "text",
    [
        *('namespaces = "mount"', 'namespaces = ["uts"]', 'namespaces = ["mount"]'),
        *("user = 0", 'vnc_password = "secret"', "vnc_password = 5", "vnc_tls = 2"),
        *("max_processes = 4294967296", "max_processes = 4294967295"),
        *("keepalive_interval = 2147483648", "keepalive_interval = -2147483"),
        *("keepalive_interval = -9999999999", "max_files = +500", 'max_core = "x"'),
        *('max_core = "unlimited"', 'stdio_handler = "file"', 'sched_core = "x"'),
        *('cgroup_controllers = ["name=systemd"]', 'cgroup_controllers = ["x"]'),
        *('spice_password = ["secret"]', 'capability_filters = ["secret"]'),
        *("secret = 5", 'security_driver = "secret"', "security_driver = []"),
        *('default_tls_x509_cert_dir = "/home/secret"', "remember_owner = 1"),
    ],
)
def test_the_same_mistake(text: str) -> None:
    shared = qemu_conf(f"{text}\n", Names())
    before, after = mistake(parse(text)), mistake(parse(shared))
    assert "secret" not in shared
    assert not parse(shared).wrong_line
    assert (after and (after.kind, after.words)) == (
        before and (before.kind, before.words)
    ), shared
