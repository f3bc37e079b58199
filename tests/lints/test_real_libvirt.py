"""Real libvirt takes every corrected definition, and refuses what is said to be so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.lint_hosts import cured
from support.refused_definitions import OTHER, ROWS, TOPOLOGY, changed, mapping, small
from support.tools import MODULES
from vfio_doctor.lints import every
from vfio_doctor.lints.example import as_it_should_be, with_fault

# Of libvirt's real driver for QEMU, without a daemon: its folders are below one root.
DEFINE = """
import json, os, sys
import libvirt
libvirt.virEventRegisterDefaultImpl()
libvirt.registerErrorHandler(lambda *_: None, None)
conf, flags, starts = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "start"
# Short: the way to a socket has 107 letters at most.
root = "/run/l"
os.makedirs(f"{root}/etc")
with open(f"{root}/etc/qemu.conf", "w") as file:
    file.write(conf)
connection = libvirt.open(f"qemu:///embed?root={root}")
told = {}
for name, text in json.load(sys.stdin).items():
    try:
        one = connection.defineXMLFlags(text, flags)
    except libvirt.libvirtError as error:
        told[name] = str(error)
        continue
    try:
        if starts:
            one.create()
            one.destroy()
    except libvirt.libvirtError as error:
        told[name] = str(error)
    one.undefine()
print(json.dumps(told))
"""
VALIDATE = 1
# No daemon that keeps logs, no other account and no group of its own is needed here.
CONF = """stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
remember_owner = 0
"""
ALONE = 'mount -t tmpfs none /run && exec "$@"'


def fitted(text: str) -> str:
    """Return a definition without what only newer versions know."""
    # The limit came with libvirt 9.3; Debian's QEMU is older than the example's.
    return text.replace(" limit='39'", "").replace("pc-q35-9.0", "q35")


def told_by_virsh(texts: list[str], folder: Path) -> str:
    """Define texts in one session of libvirt's test driver; return what it refused."""
    words = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.xml"
        path.write_text(fitted(text), encoding="utf-8")
        words += [f"define --validate {path}", "undefine win11"]
    virsh = shutil.which("virsh") or ""
    argv = (virsh, "-q", "-c", "test:///default", "; ".join(words))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stderr


@pytest.mark.slow
@pytest.mark.runs("virsh")
@pytest.mark.needs_tool("virsh")
def test_it_takes_each_definition_by_its_schema(tmp_path: Path) -> None:
    made = dict(cured())
    assert len(made) >= 18
    # Where libvirt itself is what refuses the example, the cure alone is right.
    right = {as_it_should_be(lint) for lint in every()}
    assert told_by_virsh([*made.values(), *right], tmp_path) == ""


@pytest.mark.runs("virsh")
@pytest.mark.needs_tool("virsh")
@pytest.mark.parametrize(
    "name", ["vm-vendor-id-long", "vm-hostdev-address", "vm-no-number"]
)
def test_it_refuses_what_is_said_to_be_refused(name: str, tmp_path: Path) -> None:
    lint = next(one for one in every() if one.id == name)
    assert told_by_virsh([with_fault(lint)], tmp_path) != ""


def told_by_qemus_driver(
    texts: dict[str, str], flags: int = 0, act: str = ""
) -> dict[str, str]:
    """Define texts, and start them if told; return what libvirt refused, and how."""
    python = ("/usr/bin/python3", "-c", DEFINE, CONF, str(flags), act)
    done = subprocess.run(
        ("unshare", "--mount", "sh", "-c", ALONE, "sh", *python),
        input=json.dumps(texts),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(MODULES)},
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, str] = json.loads(done.stdout)
    return told


REAL = ("libvirt.py", "libvirt_driver_qemu.so", "qemu-system-x86_64")


@pytest.mark.slow
@pytest.mark.runs("unshare")
@pytest.mark.needs_root
@pytest.mark.needs_tool(*REAL)
def test_the_driver_of_qemu_takes_every_corrected_one() -> None:
    made = {name: fitted(text) for name, text in cured()}
    broken = fitted(with_fault(next(o for o in every() if o.id == "vm-vendor-id-long")))
    told = told_by_qemus_driver({**made, "broken": broken}, VALIDATE)
    assert set(told) == {"broken"}


@pytest.mark.slow
@pytest.mark.runs("unshare")
@pytest.mark.needs_root
@pytest.mark.needs_tool(*REAL)
def test_it_refuses_the_numbers_that_are_said_to_be_refused() -> None:
    texts = {f"{at}": fitted(changed(*row[:2])) for at, row in enumerate(ROWS)}
    told = told_by_qemus_driver(texts)
    assert set(told) == {f"{at}" for at, row in enumerate(ROWS) if row[2]}
    at = ROWS.index((TOPOLOGY, TOPOLOGY.replace("'4'", "'8'"), (OTHER,)))
    assert "CPU topology doesn't match maximum vcpu count" in told[f"{at}"]


@pytest.mark.slow
@pytest.mark.runs("unshare")
@pytest.mark.needs_root
@pytest.mark.needs_tool(*REAL)
def test_it_starts_no_vm_on_what_the_host_lacks(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_bytes(bytes(1 << 22))
    others.chmod(0o600)
    os.chown(others, 1000, 1000)
    texts = {
        "here": small(),
        "others": mapping(others),
        "node": small(nodes="63"),
        "preferred": small(nodes="0,63", mode="preferred"),
        "processor": small(cpus="4095"),
    }
    told = told_by_qemus_driver(texts, 0, "start")
    assert told.pop("here", "") == ""
    # QEMU that runs as root opens it: libvirt does not take root's rights from it.
    assert told.pop("others", "") == ""
    assert set(told) == set(texts) - {"here", "others"}
    assert "NUMA node 63 is unavailable" in told["node"]
    assert "NUMA node 63 is unavailable" in told["preferred"]
    assert "affinity" in told["processor"]
