"""Files of any bytes, read by every rule: no crash, and no time to speak of."""

from __future__ import annotations

import random

from support.effort import share
from support.fixture_hosts import catalogue
from support.hosts import changed
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Status

NUMBER = "9" * 5000
VM = "/etc/libvirt/qemu/win11.xml"
PATHS = (
    *("/etc/pve/qemu-server/100.conf", "/etc/kernel/proxmox-boot-uuids"),
    *("/etc/kernel/cmdline", "/etc/systemd/system/libvirtd.service.d/x.conf"),
    *("/etc/systemd/system/virtqemud.service", "/etc/apparmor.d/libvirt/libvirt-x"),
    *(
        "/etc/apparmor.d/abstractions/libvirt-qemu.d/kvmfr",
        "/etc/fstab",
        "/etc/modules",
    ),
    *(
        "/etc/selinux/targeted/contexts/files/file_contexts.local",
        "/etc/mkinitcpio.conf",
    ),
    *("/etc/tmpfiles.d/10-lg.conf", "/etc/modules-load.d/kvmfr.conf", "/proc/iomem"),
    *("/etc/initramfs-tools/modules", "/etc/dracut.conf.d/v.conf", "/etc/passwd"),
    *("/lib/modules/6.1.0-28-amd64/modules.dep", "/etc/libvirt/qemu.conf"),
)
CONTENTS = (
    *(b"", b"\0" * 4096, bytes(range(256)) * 40, "kvmfr\n".encode("utf-16")),
    *(b"kvmfr " * 2000, b"kvmfr\r" * 100, b"\xed\xa0\x80 kvmfr\n" * 500),
    *(b"\"'`$(${" * 2000, b"\\\n" * 5000, b":::::\n" * 3000, b"=====\n" * 3000),
    *(b"[Service]\nUser=" * 2000, b"{" * 20000, b"{}\n" * 8000),
    f"kvmfr {NUMBER}\ncores: {NUMBER}\nhostpci0: {NUMBER}:00.0,x={NUMBER}\n".encode(),
    b"#include if exists <x>\n/dev/kvmfr0 rw,\n" * 3000,
    b"/dev/(" + b"a*" * 2000 + b")kvmfr0 -c gen_context(x)\n",
    b"z /dev/shm/looking-glass 99999999999 -1 \xff -\n" * 3000,
)
PARTS = (
    f"<vcpu current='-9' cpuset='{NUMBER}-1,^^0'>{NUMBER}</vcpu>",
    f"<cpu><topology sockets='{NUMBER}' dies='1' cores='0' threads='-1'/></cpu>",
    f"<numatune><memory nodeset='0-{NUMBER}'/><memnode cellid='{NUMBER}'/></numatune>",
    "<cpu><numa>"
    + "<cell cpus='0-4294967295' memory='9' unit='E'/>" * 99
    + "</numa></cpu>",
    f"<iothreads>{NUMBER}</iothreads>",
    "<cputune>" + "<vcpupin vcpu='0' cpuset='0-1048576'/>" * 999 + "</cputune>",
    "<a>" * 3000 + "</a>" * 3000,
    f"<memoryBacking><hugepages><page size='{NUMBER}'/></hugepages></memoryBacking>",
)
REGISTRY = load()


def judged(path: str, data: bytes) -> dict[str, str]:
    host = changed(catalogue.host("healthy-debian12-vm"), {path: data})
    redact(host.capture)
    options = Options(areas=("kvmfr", "vfio", "libvirt"))
    found = diagnose(Facts(host, options), REGISTRY)
    broken = [r.id for r in found if r.status is Status.ERROR]
    assert not broken, (path, data[:80], broken)
    return {r.id: str(r.reason) for r in found if r.status is Status.UNKNOWN}


def test_no_file_breaks_a_rule() -> None:
    every = [(path, data) for path in PATHS for data in CONTENTS]
    for path, data in random.Random().sample(every, share(30)):
        judged(path, data)


def test_no_definition_breaks_a_rule() -> None:
    for part in PARTS:
        text = f"<domain type='kvm'><name>win11</name>{part}</domain>"
        judged(VM, text.encode())


def test_a_definition_that_expands_is_not_read_and_named() -> None:
    lines = "".join(
        f"<!ENTITY l{n} '{f'&l{n - 1};' * 10 if n else 'lol'}'>" for n in range(12)
    )
    for doctype in (f"<!DOCTYPE d [{lines}]>", "<!DOCTYPE d [<!ENTITY a SYSTEM 'x'>]>"):
        unknown = judged(VM, f"{doctype}<domain><name>&l11;</name></domain>".encode())
        assert VM in unknown["kvmfr-apparmor-denies"]
