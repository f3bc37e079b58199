"""``teardown`` has rpm-ostree's initramfs be again what it was before the set-up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repair.test_own_initramfs import FORCE, NONE, fault, host_in
from support import played_machine as played
from support.played_place import place
from support.unbound_card import CARD
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.facts.images.own import OwnInitramfs, own_initramfs

pytestmark = pytest.mark.runs("python", "python3")
Output = pytest.CaptureFixture[str]
SET_UP = Chosen(fix=True, yes=True, devices=(CARD,))
ALL = Wanted(passthrough=True, yes=True)
BOUND = "vfio-pci.ids=10de:2482,10de:228b"
WITH_ARGUMENTS = OwnInitramfs(True, ("-I", "/etc/crypttab"))
SOMEBODYS = ("--enable", f"--arg={FORCE}", "--arg=--add=tpm2-tss")


def kargs(root: Path) -> list[str]:
    return sorted(played.standin(root, ("rpm-ostree", "kargs")).stdout.split())


def set_up(root: Path, held: OwnInitramfs = NONE) -> played.PlayedHost:
    host = host_in(root, held=held)
    assert passthrough(SET_UP, place(host)) == 0
    assert own_initramfs(host).loads("vfio-pci")
    return host


@pytest.mark.parametrize("held", [NONE, WITH_ARGUMENTS])
def test_it_is_as_before(tmp_path: Path, capsys: Output, held: OwnInitramfs) -> None:
    host = host_in(tmp_path, held=held)
    before = kargs(tmp_path)
    assert passthrough(SET_UP, place(host)) == 0
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert own_initramfs(host) == held
    assert kargs(tmp_path) == before
    said = " ".join(capsys.readouterr().out.split())
    if held.made:
        assert "have rpm-ostree make the initramfs with" in said
    else:
        assert "use the initramfs of the system's image again" in said


@pytest.mark.slow
def test_undo_of_the_tear_down_makes_it_again(tmp_path: Path, capsys: Output) -> None:
    host = set_up(tmp_path)
    tear_down(ALL, Chosen(), place(host))
    assert take_back("", True, place(host)) == 0
    assert own_initramfs(host).loads("vfio-pci")
    assert BOUND in kargs(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("held", [NONE, WITH_ARGUMENTS])
def test_without_the_journal_it_is_asked_about(
    tmp_path: Path, capsys: Output, held: OwnInitramfs
) -> None:
    host = set_up(tmp_path, held)
    shutil.rmtree(tmp_path / "var/lib/vfio-doctor")
    host.moved()
    tear_down(ALL, Chosen(), place(host))
    assert own_initramfs(host).loads("vfio-pci")
    tear_down(ALL._replace(leftovers=True), Chosen(), place(host))
    assert own_initramfs(host) == held
    assert not [word for word in kargs(tmp_path) if "vfio" in word]


@pytest.mark.slow
def test_what_somebody_has_asked_for_since_stays(
    tmp_path: Path, capsys: Output
) -> None:
    host = set_up(tmp_path)
    done = played.standin(tmp_path, ("rpm-ostree", "initramfs", *SOMEBODYS))
    assert done.status == 0, done
    host.moved()
    now = own_initramfs(host)
    tear_down(ALL, Chosen(), place(host))
    assert own_initramfs(host) == now
    assert BOUND not in kargs(tmp_path)


@pytest.mark.slow
def test_if_it_fails_the_set_up_stands(tmp_path: Path, capsys: Output) -> None:
    host = set_up(tmp_path)
    words = kargs(tmp_path)
    fault(host, "dracut")
    assert tear_down(ALL, Chosen(), place(host)) == 4
    assert own_initramfs(host).loads("vfio-pci")
    assert kargs(tmp_path) == words
