from __future__ import annotations

import pytest

from support import corpus
from support.hosts import CHAR_NODE, build, denied
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact, NotApplicable, Options
from vfio_doctor.facts.kvmfr.intent import KvmfrIntent
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing
from vfio_doctor.messages import say

PEOPLE: dict[str, str | bytes | Missing] = {
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
    "alice:x:1000:1000::/home/alice:/bin/sh\n",
    "/etc/group": "alice:x:1000:\n",
    "/proc/cmdline": "quiet\n",
}
CLIENT = "[app]\nshmFile=/dev/kvmfr0\n"


def reasons(host: CapturedHost, *areas: str) -> tuple[str, ...]:
    return tuple(map(str, Facts(host, Options(areas=areas))[KvmfrIntent].reasons))


@for_each(
    ("path", "text", "part"),
    [
        ("/proc/cmdline", "kvmfr.static_size_mb=128\n", "kernel argument"),
        ("/etc/modprobe.d/x.conf", "options kvmfr static_size_mb=1\n", "modprobe.d"),
        ("/etc/modprobe.d/kvmfr.conf", "# dummy\n", "modprobe.d"),
        ("/etc/modprobe/kvmfr.conf", "x\n", "nothing reads"),
        ("/etc/modules-load.d/x.conf", "kvmfr\n", "modules-load.d"),
        ("/etc/udev/rules.d/99-kvmfr.rules", "", "udev rule"),
        ("/etc/udev/rules.d/9.rules", 'SUBSYSTEM=="kvmfr"\n', "udev rule"),
        ("/etc/udev/rules.d/20-kvmfr.conf", "", "udev rule"),
        ("/etc/libvirt/qemu/win.xml", "<a>/dev/kvmfr0</a>", "VM definition"),
        ("/etc/looking-glass-client.ini", CLIENT, "client"),
        ("/home/alice/.config/looking-glass/client.ini", CLIENT, "client"),
        ("/home/alice/.looking-glass-client.ini", CLIENT, "client"),
    ],
)
def test_a_trace(path: str, text: str, part: str) -> None:
    found = reasons(build({**PEOPLE, path: text}))
    assert len(found) == 1
    assert part in found[0]


@for_each(
    ("path", "text"),
    [
        ("/etc/libvirt/qemu/win.xml", "<shmem name='looking-glass'>"),
        ("/etc/looking-glass-client.ini", "[app]\nshmFile=/dev/shm/looking-glass\n"),
        ("/usr/lib/modules-load.d/kvmfr.conf", "kvmfr\n"),
        ("/usr/lib/modprobe.d/kvmfr.conf", "options kvmfr static_size_mb=1\n"),
        ("/proc/cmdline", "module_blacklist=kvmfr\n"),
        ("/etc/udev/rules.d/99-kvmfr.rules.bak", ""),
        ("/etc/libvirt/qemu/win.xml", denied("/etc/libvirt/qemu/win.xml")),
        ("/proc/cmdline", denied("/proc/cmdline")),
    ],
)
def test_no_trace(path: str, text: str | Missing) -> None:
    assert reasons(build({**PEOPLE, path: text})) == ()


def test_loaded_module_and_node() -> None:
    host = build(PEOPLE, {"/dev/kvmfr0": CHAR_NODE}, ("/sys/module/kvmfr",))
    assert reasons(host) == ("the kvmfr module is loaded", "/dev/kvmfr0 exists")


def test_an_image_that_loads_it_for_everybody_is_no_wish() -> None:
    shipped = {**PEOPLE, "/usr/lib/modules-load.d/kvmfr.conf": "kvmfr\n"}
    folders = ("/sys/module/kvmfr", "/sys/class/kvmfr")
    assert reasons(build(shipped, folders=folders)) == ()
    used = build(shipped, folders=(*folders, "/sys/class/kvmfr/kvmfr0"))
    assert reasons(used) == ("the kvmfr module has made kvmfr0",)


def test_asked_for() -> None:
    assert reasons(build(PEOPLE), "kvmfr") == ("--with kvmfr",)


def test_demand() -> None:
    KvmfrIntent((say("x", "x"),)).demand()
    with pytest.raises(NotApplicable):
        KvmfrIntent(()).demand()


@pytest.mark.parametrize(
    "passwd",
    ["root:x:0:0::/root:/bin/sh\n", "alice:x:1000:1000::nowhere:/bin/sh\n"],
    ids=["no-person", "no-home"],
)
def test_without_a_home(passwd: str) -> None:
    assert reasons(build({**PEOPLE, "/etc/passwd": passwd})) == ()


def test_every_argument_of_the_corpus_is_a_wish() -> None:
    for record in corpus.records("kvmfr-args.jsonl"):
        path = "/etc/libvirt/qemu/win.xml"
        text = f"<qemu:arg value='{record['arg']}'/>"
        assert reasons(build({**PEOPLE, path: text})) == (f"VM definition: {path}",)


@for_each(
    "path",
    [
        "/proc/cmdline",
        "/etc/libvirt/qemu/win.xml",
        "/etc/udev/rules.d/local.rules",
        "/etc/modprobe.d/x.conf",
        "/etc/looking-glass-client.ini",
        "/home/alice/.config/looking-glass/client.ini",
        "/etc/passwd",
    ],
)
def test_a_place_that_could_not_be_seen_decides_nothing(path: str) -> None:
    facts = Facts(build({**PEOPLE, path: denied(path)}))
    with pytest.raises(MissingFact, match="run as root"):
        facts[KvmfrIntent].demand()


def test_a_closed_folder_decides_nothing() -> None:
    capture = build(PEOPLE, folders=("/etc/libvirt/qemu",)).capture
    capture.lists["/etc/libvirt/qemu"] = denied("/etc/libvirt/qemu")
    with pytest.raises(MissingFact, match="run as root"):
        Facts(CapturedHost(capture))[KvmfrIntent].demand()
