"""Real libvirt takes every corrected definition, and refuses what is said to be so."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.lint_hosts import cured
from support.tools import MODULES
from vfio_doctor.lints import every
from vfio_doctor.lints.example import as_it_should_be, with_fault

# Of libvirt's real driver for QEMU, without a daemon: its folders are below one root.
DEFINE = """
import json, sys
import libvirt
libvirt.virEventRegisterDefaultImpl()
libvirt.registerErrorHandler(lambda *_: None, None)
connection = libvirt.open(f"qemu:///embed?root={sys.argv[1]}")
told = {}
for name, text in json.load(sys.stdin).items():
    try:
        connection.defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).undefine()
    except libvirt.libvirtError as error:
        told[name] = str(error)
print(json.dumps(told))
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
@pytest.mark.parametrize("name", ["vm-vendor-id-long", "vm-hostdev-address"])
def test_it_refuses_what_is_said_to_be_refused(name: str, tmp_path: Path) -> None:
    lint = next(one for one in every() if one.id == name)
    assert told_by_virsh([with_fault(lint)], tmp_path) != ""


@pytest.mark.slow
@pytest.mark.runs("unshare")
@pytest.mark.needs_root
@pytest.mark.needs_tool("libvirt.py", "libvirt_driver_qemu.so", "qemu-system-x86_64")
def test_the_driver_of_qemu_takes_every_corrected_one(tmp_path: Path) -> None:
    made = {name: fitted(text) for name, text in cured()}
    broken = fitted(with_fault(next(o for o in every() if o.id == "vm-vendor-id-long")))
    python = ("/usr/bin/python3", "-c", DEFINE, str(tmp_path))
    done = subprocess.run(
        ("unshare", "--mount", "sh", "-c", ALONE, "sh", *python),
        input=json.dumps({**made, "broken": broken}),
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(MODULES)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(done.stdout)) == {"broken"}
