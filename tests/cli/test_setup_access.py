"""``setup passthrough``: libvirt for the person, and the node of a session's VM."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import played_images
from support import played_machine as played
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes import libvirt
from support.played_place import place
from support.unbound_card import CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.cli import status
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.facts.pci.session_node import FILE, RULE
from vfio_doctor.host.capture_io import save

pytestmark = pytest.mark.runs("sh")
Output = pytest.CaptureFixture[str]
ALICE = "alice"
SET_UP = Chosen(user=ALICE, fix=True, yes=True, devices=(CARD,))
GROUPS = "root:x:0:\nalice:x:1000:\nkvm:x:104:libvirt-qemu\n"
OUTSIDE = file("/etc/group", f"{GROUPS}libvirt:x:121:bob\n")
# As an image-based host has it.
IN_IMAGE = Parts({"/etc/group": GROUPS, "/usr/lib/group": "libvirt:x:975:\n"})
OFF = libvirt.programs("libvirtd")
ON = libvirt.enabled("libvirtd.socket")
CONF = libvirt.conf("", "libvirt-qemu")
SESSION_VM = "/home/alice/.config/libvirt/qemu/win11.xml"
FLATPAK_VM = "/home/alice/.var/app/org.gnome.Boxes/config/libvirt/qemu/win11.xml"
VM = """\
<domain type='kvm'><name>win11</name><devices>
  <hostdev mode='subsystem' type='pci' managed='yes'><source>
    <address domain='0x0000' bus='0x08' slot='0x00' function='0x0'/>
  </source></hostdev>
</devices></domain>
"""


def host_in(root: Path, *parts: Parts) -> played.PlayedHost:
    host = played_images.host_in(root, unbound(CONF, *parts, ids=""))
    played.update_grub(root, ("update-grub",))
    host.moved()
    return host


def links(root: Path) -> list[str]:
    return [p.name for p in root.glob("etc/systemd/system/sockets.target.wants/*")]


def planned(tmp_path: Path, capsys: Output, *parts: Parts) -> str:
    path = tmp_path / "host.host"
    save(unbound(CONF, *parts, ids=""), path)
    words = ["--user", ALICE, "--capture", str(path), "--dry-run", "--device", CARD]
    status(["setup", "passthrough", *words])
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.parametrize("there", [OUTSIDE, IN_IMAGE])
def test_group_and_socket_come_along_and_go_again(
    tmp_path: Path, capsys: Output, there: Parts
) -> None:
    host = host_in(tmp_path, there, OFF)
    before = played_images.things(host)
    assert passthrough(SET_UP, place(host)) == 0
    (line,) = [x for x in group(tmp_path) if x.startswith("libvirt:")]
    assert line in ("libvirt:x:121:bob,alice", "libvirt:x:975:alice")
    assert links(tmp_path) == ["libvirtd.socket"]
    said = capsys.readouterr().out
    assert "can do what root can" in " ".join(said.split())
    wanted = Wanted(passthrough=True, yes=True)
    assert tear_down(wanted, Chosen(user=ALICE), place(host)) == 0
    assert played_images.things(host) == before


def group(root: Path) -> list[str]:
    return (root / "etc/group").read_text().splitlines()


def test_undo_takes_them_back(tmp_path: Path, capsys: Output) -> None:
    host = host_in(tmp_path, OUTSIDE, OFF)
    before = played_images.things(host)
    passthrough(SET_UP, place(host))
    assert take_back("", True, place(host)) == 0
    assert played_images.things(host) == before


def test_who_joined_later_stays(tmp_path: Path, capsys: Output) -> None:
    host = host_in(tmp_path, OUTSIDE, OFF)
    passthrough(SET_UP, place(host))
    path = tmp_path / "etc/group"
    text = path.read_text().replace("bob,alice", "bob,alice,carol")
    path.write_text(f"{text}docker:x:990:alice\n")
    host.moved()
    tear_down(Wanted(passthrough=True, yes=True), Chosen(user=ALICE), place(host))
    assert group(tmp_path)[-2:] == ["libvirt:x:121:bob,carol", "docker:x:990:alice"]


def test_what_the_host_has_is_not_in_the_plan(tmp_path: Path, capsys: Output) -> None:
    said = planned(tmp_path, capsys, OFF, ON)
    assert f"Bind {CARD}" in said
    assert "/etc/group" not in said
    assert "libvirtd" not in said
    assert "udev" not in said


def test_a_second_run_adds_nothing(tmp_path: Path, capsys: Output) -> None:
    host = host_in(tmp_path, OUTSIDE, OFF, file(SESSION_VM, VM))
    passthrough(SET_UP, place(host))
    done = played_images.things(host)
    capsys.readouterr()
    passthrough(SET_UP, place(host))
    assert played_images.things(host) == done


def test_a_session_vm_gets_the_node(tmp_path: Path, capsys: Output) -> None:
    host = host_in(tmp_path, OFF, ON, file(SESSION_VM, VM))
    before = played_images.things(host)
    passthrough(SET_UP, place(host))
    rules = tmp_path / FILE.lstrip("/")
    assert rules.read_text() == f"{RULE}\n"
    assert "kvm:x:104:libvirt-qemu,alice" in group(tmp_path)
    wanted = Wanted(passthrough=True, yes=True)
    assert tear_down(wanted, Chosen(user=ALICE), place(host)) == 0
    assert played_images.things(host) == before


@pytest.mark.parametrize(
    "parts",
    [
        (file(FLATPAK_VM, VM),),
        (file(SESSION_VM, VM.replace("0x08", "0x09")),),
        (
            file(SESSION_VM, VM),
            file("/etc/udev/rules.d/10-vfio.rules", 'SUBSYSTEM=="vfio", OWNER="alice"'),
        ),
    ],
)
def test_no_rule_if_none_is_of_use(
    tmp_path: Path, capsys: Output, parts: tuple[Parts, ...]
) -> None:
    said = planned(tmp_path, capsys, OFF, ON, *parts)
    assert f"Bind {CARD}" in said
    assert FILE not in said


def test_both_daemons_are_a_choice(tmp_path: Path, capsys: Output) -> None:
    said = planned(tmp_path, capsys, libvirt.programs("libvirtd", "virtqemud"))
    assert "which one it should be is your choice" in said
    assert f"Bind {CARD}" in said


def test_a_network_that_does_not_start_is_told(tmp_path: Path, capsys: Output) -> None:
    network = "/etc/libvirt/qemu/networks/{}default.xml"
    host = host_in(tmp_path, OFF, ON, file(network.format(""), "<network/>"))
    passthrough(SET_UP, place(host))
    assert "`sudo virsh net-autostart default`" in capsys.readouterr().err
    (tmp_path / "etc/libvirt/qemu/networks/autostart").mkdir()
    (tmp_path / network.format("autostart/").lstrip("/")).touch()
    host.moved()
    passthrough(SET_UP, place(host))
    assert "net-autostart" not in capsys.readouterr().err


def test_without_libvirt_nothing_of_it(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    save(unbound(OUTSIDE, ids=""), path)
    words = ["--user", ALICE, "--capture", str(path), "--dry-run", "--device", CARD]
    status(["setup", "passthrough", *words])
    assert "/etc/group" not in capsys.readouterr().out
