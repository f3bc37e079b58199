"""``setup looking-glass --vm``: the VM gets the device in the same plan as the host."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import played_machine as played
from support.fixture_hosts import catalogue
from support.libvirt_library import alone, connected
from support.played_place import place
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.place import Place
from vfio_doctor.commands.setup import looking_glass
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.repair.domain_step import NO_LIBRARY, defined

pytestmark = [pytest.mark.needs_tool("libvirt.py"), pytest.mark.runs("python")]
Output = pytest.CaptureFixture[str]
DRIVER = Path(__file__).resolve().parents[1] / "support" / "vm_set_up_driver.py"
ALONE = 'mount -t tmpfs none /run && exec "$@"'
VM = "test"
DEVICE = "/dev/kvmfr0"
YES = Chosen(fix=True, yes=True, areas=("kvmfr",))
libvirt = pytest.fixture(name="libvirt")(connected)


@pytest.fixture(name="host")
def healthy(tmp_path: Path) -> played.PlayedHost:
    return with_vm(tmp_path / "root")


def with_vm(root: Path, name: str = VM) -> played.PlayedHost:
    """Return a host that lacks nothing but the VM's device."""
    capture = catalogue.capture("healthy-bazzite")
    text = f"<domain type='kvm'>\n  <name>{name}</name>\n  <devices/>\n</domain>\n"
    capture.files[f"/etc/libvirt/qemu/{name}.xml"] = text.encode()
    capture.lists["/etc/libvirt/qemu"] = (f"{name}.xml",)
    return played.PlayedHost(root, capture)


def set_up(
    host: played.PlayedHost, chosen: Chosen = YES, where: Place | None = None
) -> int:
    return looking_glass(chosen, (), False, where or place(host), VM)


def down(host: played.PlayedHost, where: Place | None = None) -> int:
    wanted = Wanted(passthrough=False, yes=True)
    return tear_down(wanted, Chosen(), where or place(host))


def journal(host: played.PlayedHost) -> list[Path]:
    return [*(host.root / "var/lib/vfio-doctor/journal").glob("*/journal.jsonl")]


def test_the_vm_is_defined_anew_and_undone(
    host: played.PlayedHost, libvirt: Any, capsys: Output
) -> None:
    before = defined(VM).text
    assert set_up(host) == 0
    said = capsys.readouterr().out
    assert f"Give the VM {VM} the device of Looking Glass" in said
    assert "Windows may see new ones" in " ".join(said.split())
    assert f"'mem-path':'{DEVICE}'" in said
    assert "done: Define the VM test anew" in said
    assert "virsh edit" not in said
    assert len(journal(host)) == 1
    assert take_back("", True, place(host)) == 0
    assert defined(VM).text == before


def test_the_host_is_set_up_in_the_same_run(
    host: played.PlayedHost, libvirt: Any, capsys: Output
) -> None:
    modes = ((7680, 4320),)
    assert looking_glass(YES, modes, False, place(host), VM) in (0, 1)
    said = capsys.readouterr().out
    assert "static_size_mb=512" in said
    assert f"'size':{512 << 20}" in said
    assert len(journal(host)) == 1


def test_nobody_is_defined_without_a_yes(
    host: played.PlayedHost, libvirt: Any, capsys: Output
) -> None:
    before, asked = defined(VM).text, []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    where = place(host)._replace(is_terminal=lambda: True, ask=no)
    set_up(host, YES._replace(yes=False), where)
    assert len(asked) == 1
    assert set_up(host, YES._replace(dry_run=True)) == 0
    assert set_up(host, YES._replace(yes=False)) == 2
    assert defined(VM).text == before
    assert journal(host) == []


@pytest.mark.parametrize("way", ["runs", "saved", "no library"])
def test_what_is_in_the_way_is_said_with_the_change_to_make(
    way: str,
    host: played.PlayedHost,
    libvirt: Any,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = libvirt.lookupByName(VM)
    if way != "no library":
        domain.create()
    if way == "saved":
        domain.managedSave()
    if way == "no library":
        monkeypatch.setitem(sys.modules, "libvirt", None)
    assert set_up(host) == 1
    said = capsys.readouterr()
    why = {
        "runs": f"{VM} runs: shut it down first",
        "saved": f"{VM} has a saved state",
        "no library": str(NO_LIBRARY),
    }
    told = " ".join(said.err.split())
    assert f"The VM {VM} does not have the device yet: {why[way]}" in told
    assert f"`virsh edit {VM}`" in said.out
    assert f"'mem-path':'{DEVICE}'" in said.out
    assert journal(host) == []


def test_an_ordinary_user_is_told_the_command(
    host: played.PlayedHost, libvirt: Any, capsys: Output
) -> None:
    set_up(host, YES, place(host)._replace(is_root=lambda: False))
    said = capsys.readouterr()
    assert "Run it as root: sudo" in said.err
    assert f"'mem-path':'{DEVICE}'" in said.out


def test_of_a_vm_that_is_gone_nothing_is_said(
    host: played.PlayedHost, libvirt: Any, capsys: Output
) -> None:
    set_up(host)
    libvirt.lookupByName(VM).undefine()
    tear_down(Wanted(passthrough=False, yes=True), Chosen(), place(host))
    assert "still has the device" not in capsys.readouterr().err


def told_by_qemu(tmp_path: Path, story: str) -> dict[str, Any]:
    """Return what a story with the real driver came to; see its script."""
    # Short: libvirt's sockets are below it, and a socket's path has 107 letters.
    with tempfile.TemporaryDirectory(prefix="lv-") as below:
        python = (sys.executable, str(DRIVER), str(alone(tmp_path)), below)
        words = (*python, str(tmp_path / "root"), story)
        done = subprocess.run(
            ("unshare", "--mount", "sh", "-c", ALONE, "sh", *words),
            capture_output=True,
            text=True,
            check=True,
        )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def with_qemu(test: Callable[[Path], None]) -> Callable[[Path], None]:
    for mark in (
        pytest.mark.slow,
        pytest.mark.runs("unshare"),
        pytest.mark.needs_root,
        pytest.mark.needs_tool("libvirt_driver_qemu.so", "qemu-system-x86_64"),
    ):
        test = mark(test)
    return test


@with_qemu
def test_the_driver_of_qemu_takes_it_and_takes_it_back(tmp_path: Path) -> None:
    told = told_by_qemu(tmp_path, "there_and_back")
    assert DEVICE in told["set up"]
    assert "qemu:commandline" in told["set up"]
    assert DEVICE not in told["before"]
    assert told["undone"] == told["before"]
    assert told["torn down"]["text"] == told["before"]
    assert (
        f"have the VM {VM} as it was, without the device" in told["torn down"]["said"]
    )


@with_qemu
def test_a_vm_that_could_not_be_put_back_is_not_forgotten(tmp_path: Path) -> None:
    told = told_by_qemu(tmp_path, "changed_since")
    changed = told["changed"]
    assert changed["status"] == 4
    assert f"The VM {VM} still has the device of Looking Glass" in changed["said"]
    assert "its definition was changed since" in changed["said"]
    assert "Nothing of it is set for the next boot any more." not in changed["said"]
    assert "131072" in changed["text"]
    assert told["unheard"]["status"] == 4
    assert f"The VM {VM} may still have the device" in told["unheard"]["said"]
    assert f"virsh dumpxml --inactive {VM}" in told["unheard"]["said"]
    later = told["later"]
    assert later["status"] == 0
    assert f"have the VM {VM} as it was, without the device" in later["said"]
    assert DEVICE not in later["text"]
    assert "as it was" not in told["over"]["said"]


@with_qemu
def test_what_was_taken_out_by_hand_is_not_said_to_be_there(tmp_path: Path) -> None:
    told = told_by_qemu(tmp_path, "by_hand")
    assert told["status"] == 0
    assert "still have" not in told["said"]
    assert "<title>Mine</title>" in told["text"]
