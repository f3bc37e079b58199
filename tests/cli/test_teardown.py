"""``teardown``: a set-up is taken back, by the journal and by its look."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import played_images
from support import played_machine as played
from support.fixture_hosts.parts import Parts
from support.played_place import place
from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.undo import take_back
from vfio_doctor.commands.verify import look as verify
from vfio_doctor.host.reader import ProbeResult

pytestmark = pytest.mark.runs("sh")
Output = pytest.CaptureFixture[str]
SET_UP = Chosen(fix=True, yes=True, devices=(CARD,))
ALL = Wanted(passthrough=True, yes=True)


def bare(root: Path, *parts: Parts) -> played.PlayedHost:
    """A host without a word of vfio-pci."""
    host = played_images.host_in(root, unbound(*parts, ids=""))
    played.update_grub(root, ("update-grub",))
    host.moved()
    return host


def cmdline(root: Path) -> str:
    return (root / "etc/default/grub").read_text()


def test_a_set_up_is_taken_back_byte_for_byte(tmp_path: Path, capsys: Output) -> None:
    host = bare(tmp_path)
    before = played_images.things(host)
    assert passthrough(SET_UP, place(host)) == 0
    assert played_images.things(host) != before
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert played_images.things(host) == before
    said = capsys.readouterr().out
    assert "What vfio-doctor has set up here:" in said
    assert "Nothing of it is set for the next boot any more." in said


def test_undo_takes_the_tear_down_back(tmp_path: Path, capsys: Output) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    bound = played_images.things(host)
    tear_down(ALL, Chosen(), place(host))
    assert take_back("", True, place(host)) == 0
    assert played_images.things(host) == bound
    # The set-up stands again, so it can be torn down again.
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert "vfio" not in cmdline(tmp_path)


def test_what_is_torn_down_is_not_verified(tmp_path: Path, capsys: Output) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    tear_down(ALL, Chosen(), place(host))
    capsys.readouterr()
    assert verify(place(host), quiet=False) == 0
    said = capsys.readouterr()
    assert "is back" not in said.out + said.err


def test_a_second_tear_down_finds_nothing(tmp_path: Path, capsys: Output) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    tear_down(ALL, Chosen(), place(host))
    capsys.readouterr()
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert "Nothing of such a set-up was found" in capsys.readouterr().out


def test_a_lost_journal_is_made_up_for_by_the_look(
    tmp_path: Path, capsys: Output
) -> None:
    host = bare(tmp_path)
    before = played_images.things(host)
    passthrough(SET_UP, place(host))
    (lost,) = (tmp_path / "var/lib/vfio-doctor/journal").iterdir()
    (lost / "journal.jsonl").unlink()
    lost.rmdir()
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert played_images.things(host) == before


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_run_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: Output, dry_run: bool
) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    (held,) = (tmp_path / "var/lib/vfio-doctor/journal").iterdir()
    (held / "journal.jsonl").write_text("not a journal\n")
    host.moved()
    capsys.readouterr()
    tear_down(ALL._replace(dry_run=dry_run), Chosen(), place(host))
    said = capsys.readouterr()
    assert (said.out + said.err).count(f"journal/{held.name}") == 1
    assert "told by its look" in said.out


def test_what_somebody_changed_since_is_kept(tmp_path: Path, capsys: Output) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    own = tmp_path / "etc/modprobe.d/vfio-doctor.conf"
    own.write_text(own.read_text() + "options snd_hda_intel power_save=1\n")
    host.moved()
    assert tear_down(ALL, Chosen(), place(host)) == 0
    assert own.read_text() == "options snd_hda_intel power_save=1\n"
    assert AUDIO not in cmdline(tmp_path)


def test_a_set_up_that_cannot_be_taken_back_still_stands(
    tmp_path: Path, capsys: Output
) -> None:
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    other = tmp_path / "etc/driverctl.d/pci-0000:09:00.3"
    other.parent.mkdir(exist_ok=True)
    bound = played_images.things(host)
    other.write_text("vfio-pci\n")
    immutable = ProbeResult("file", (), (("immutable", 1),))
    host.kernel.probes["file", "/etc/modprobe.d/vfio-doctor.conf"] = immutable
    host.moved()
    tear_down(ALL._replace(leftovers=True), Chosen(), place(host))
    assert not other.exists()
    assert "chattr -i /etc/modprobe.d/vfio-doctor.conf" in capsys.readouterr().out
    assert played_images.things(host) == bound
    del host.kernel.probes["file", "/etc/modprobe.d/vfio-doctor.conf"]
    host.moved()
    tear_down(ALL, Chosen(), place(host))
    assert "by the journal" in capsys.readouterr().out
    assert not (tmp_path / "etc/modprobe.d/vfio-doctor.conf").exists()


@pytest.mark.parametrize("words", ["ids=1234:5678", "\\\nids=1234:5678"])
def test_what_still_binds_is_not_called_gone(
    tmp_path: Path, capsys: Output, words: str
) -> None:
    # What others have left and nobody asked for, and what only a person can take out.
    host = bare(tmp_path)
    passthrough(SET_UP, place(host))
    other = tmp_path / "etc/modprobe.d/mine.conf"
    other.write_text(f"options vfio-pci {words}\n")
    host.moved()
    assert tear_down(ALL, Chosen(), place(host)) == 0
    said = capsys.readouterr().out
    assert "Nothing of it is set for the next boot" not in said
    assert "What is named above and was not taken out is still there" in said
    assert other.exists()
