"""Hosts with a kvmfr device and udev rules about it, for tests of the rule's repair."""

from __future__ import annotations

from support import hosts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Caller

D = "/etc/udev/rules.d/"
NEW = f"{D}70-kvmfr.rules"
GOOD = 'SUBSYSTEM=="kvmfr", GROUP="kvm", MODE="0660", TAG+="uaccess"\n'
CLOSED = hosts.char_node(0o600, "root", 0, "root", 0, (242, 1))
SEAT = 'TAG=="uaccess", ENV{MAJOR}!="", RUN{builtin}+="uaccess"\n'


def host(
    rules: dict[str, str],
    systemd: int | str = 252,
    user: str = "alice",
    qemu_conf: str = "",
    groups: str = "kvm:x:36:qemu\n",
) -> CapturedHost:
    files: dict[str, str] = {
        "/etc/passwd": f"root:x:0:0::/root:/bin/sh\n{user}:x:1000:1000::/h:/bin/sh\n"
        "qemu:x:107:107::/:/bin/false\n",
        "/etc/group": f"root:x:0:\nalice:x:1000:\nqemu:x:107:\n{groups}",
        "/etc/libvirt/qemu.conf": qemu_conf,
        f"/usr/lib/systemd/libsystemd-shared-{systemd}.so": "",
        "/usr/lib/udev/rules.d/73-seat-late.rules": SEAT,
        "/run/systemd/seats/seat0": "ACTIVE_UID=1000\n",
        "/sys/class/kvmfr/kvmfr0/dev": "242:0\n",
    }
    node = hosts.char_node(0o600, "root", 0, "root", 0, (242, 0))
    paths = {p if p.startswith("/") else f"{D}{p}": t for p, t in rules.items()}
    return hosts.build(
        {**files, **paths},
        stats={"/dev/kvmfr0": node},
        folders=("/etc/udev/rules.d",),
        caller=Caller(0, 1000),
    )
