"""``setup passthrough`` while the IOMMU is off: one run if that is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from support import played_images
from support import played_machine as played
from support.iommu_off import PORTS, off, off_in_firmware
from support.played_place import place
from support.unbound_card import AUDIO, CARD, HOSTS_CARD
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.cli import status
from vfio_doctor.commands.teardown import Wanted, tear_down
from vfio_doctor.commands.verify import look as verify
from vfio_doctor.host.capture_io import save
from vfio_doctor.host.captured import Capture

Output = pytest.CaptureFixture[str]
SET_UP = Chosen(fix=True, yes=True, devices=(CARD,))


def dry_run(tmp_path: Path, host: Capture, device: str = CARD) -> int:
    path = tmp_path / "host.host"
    save(host, path)
    words = ["--capture", str(path), "--dry-run", "--device", device]
    return status(["setup", "passthrough", *words])


def words_of(things: dict[str, trees.Thing]) -> list[str]:
    return things["etc/default/grub"].content.decode().replace('"', " ").split()


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_card_is_bound_along_with_the_iommu(tmp_path: Path, capsys: Output) -> None:
    dry_run(tmp_path, off())
    said = capsys.readouterr()
    after = next(x for x in said.out.splitlines() if x.startswith("  after: "))
    assert "amd_iommu=off" not in after
    assert "vfio-pci.ids=10de:2482,10de:228b" in after
    assert "whether" in said.err
    assert "is not known yet" in one_line(said.err)
    assert "again" not in said.err


@pytest.mark.runs("sh")
def test_one_run_one_reboot_and_all_of_it_back(tmp_path: Path, capsys: Output) -> None:
    host = played_images.host_in(tmp_path, off())
    before = played_images.things(host)
    assert passthrough(SET_UP, place(host)) == 0
    said = capsys.readouterr().out
    assert said.count("resolved after reboot") == 2
    record = (tmp_path / "var/lib/vfio-doctor/groups").read_text()
    assert record == f"{CARD} 10de:2482 - -\n{AUDIO} 10de:228b - -\n"
    assert verify(place(host), quiet=False) == 0
    said = capsys.readouterr().out
    assert "A reboot is needed" in said
    wanted = Wanted(passthrough=True, yes=True)
    assert tear_down(wanted, Chosen(), place(host)) == 0
    after = played_images.things(host)
    changed = {name for name in before if before[name] != after.get(name)}
    # The menu was never made from the settings before.
    assert changed <= {"boot/grub/grub.cfg"}


@pytest.mark.runs("sh")
def test_a_word_comes_back_where_it_was(tmp_path: Path, capsys: Output) -> None:
    """Beside it somebody has set another variable meanwhile."""
    host = played_images.host_in(tmp_path, off(words="amd_iommu=off  loglevel=3"))
    grub = tmp_path / "etc/default/grub"
    before = grub.read_text()
    assert passthrough(SET_UP, place(host)) == 0
    assert "amd_iommu=off" not in grub.read_text()
    grub.write_text(grub.read_text() + "GRUB_TIMEOUT=7\n")
    host.moved()
    wanted = Wanted(passthrough=True, yes=True)
    assert tear_down(wanted, Chosen(), place(host)) == 0
    assert grub.read_text() == f"{before}GRUB_TIMEOUT=7\n"


@pytest.mark.runs("sh")
def test_on_a_line_that_was_changed_it_comes_back_at_the_end(
    tmp_path: Path, capsys: Output
) -> None:
    host = played_images.host_in(tmp_path, off(words="amd_iommu=off loglevel=3"))
    before = played_images.things(host)
    assert passthrough(SET_UP, place(host)) == 0
    grub = tmp_path / "etc/default/grub"
    grub.write_text(grub.read_text().replace("loglevel=3", "loglevel=7"))
    played.update_grub(tmp_path, ("update-grub",))
    host.moved()
    wanted = Wanted(passthrough=True, yes=True)
    assert tear_down(wanted, Chosen(), place(host)) == 0
    after = words_of(played_images.things(host))
    meant = [word.replace("loglevel=3", "loglevel=7") for word in words_of(before)]
    assert sorted(after) == sorted(meant)


@pytest.mark.parametrize(
    ("ports", "why"),
    [
        # The root port of the NVMe drive and of the card are functions of one slot.
        ({**PORTS, "08": "00:01.3"}, "the port of 0000:08:00.0 may be grouped with"),
        ({**PORTS, "08": "00:03.1!03:00.0!04:00.0"}, "is behind a bridge that others"),
        ({}, "below which bridge 0000:08:00.0 is cannot be told"),
    ],
)
def test_if_only_groups_can_tell_it_takes_a_second_run(
    tmp_path: Path, capsys: Output, ports: dict[str, str], why: str
) -> None:
    dry_run(tmp_path, off(ports))
    said = capsys.readouterr()
    assert "vfio-pci.ids" not in said.out
    assert "-GRUB_CMDLINE_LINUX_DEFAULT" in said.out
    assert f"Not bound yet: {CARD}, since" in said.err
    assert why in said.err
    assert f"setup passthrough --device {CARD}` again" in said.err


def test_what_the_host_needs_is_refused_at_once(tmp_path: Path, capsys: Output) -> None:
    assert dry_run(tmp_path, off(), HOSTS_CARD) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "the firmware and the console draw on it" in said.err


def test_off_in_the_firmware_it_stops_with_the_menu(
    tmp_path: Path, capsys: Output
) -> None:
    assert dry_run(tmp_path, off_in_firmware()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Nothing was changed" in said.err
    assert "Advanced" in said.err
    assert "Then run this again." in said.err
