"""A second `setup passthrough` before the reboot, or after a power cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import played_images
from support import played_machine as played
from support.iommu_off import off
from support.played_place import place
from support.unbound_card import CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import Diagnosed
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.facts.pci.binding import BINDING_FILE
from vfio_doctor.facts.pci.recorded_groups import RECORD

pytestmark = pytest.mark.runs("sh")
Output = pytest.CaptureFixture[str]
ASKED = Chosen(fix=True, yes=True, devices=(CARD,))


class Cut(BaseException):
    """Stands for a power cut: nothing may catch it."""


@pytest.fixture(name="host")
def plain(tmp_path: Path) -> played.PlayedHost:
    return played_images.host_in(tmp_path, unbound(ids=""))


def cut_at(host: played.PlayedHost, step: int) -> Place:
    """Return a place where the power goes when so many steps have been told."""
    told: list[object] = []

    def tell(text: object) -> None:
        told.append(text)
        if len(told) > step:
            raise Cut

    sound = place(host)
    return sound._replace(
        machine=lambda seen, tool: sound.machine(seen, tool)._replace(tell=tell)
    )


def is_set(host: played.PlayedHost) -> bool:
    made = all(
        (host.root / path.lstrip("/")).exists() for path in (BINDING_FILE, RECORD)
    )
    return made and "vfio-pci.ids=" in played.next_words(host)


def test_it_looks_once_before_and_once_after(host: played.PlayedHost) -> None:
    sound = place(host)
    looked: list[Chosen] = []

    def look(chosen: Chosen) -> Diagnosed:
        looked.append(chosen)
        return sound.look(chosen)

    assert passthrough(ASKED, sound._replace(look=look)) == 0
    assert is_set(host)
    assert len(looked) == 2
    assert looked[0] == looked[1]


def test_before_the_reboot_nothing_is_left_to_do(
    host: played.PlayedHost, capsys: Output
) -> None:
    assert passthrough(ASKED, place(host)) == 0
    capsys.readouterr()
    assert passthrough(ASKED, place(host)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{CARD} is set to be bound already: reboot.")


@pytest.mark.parametrize(
    "words", ["amd_iommu=off", "iommu=off"], ids=["of the maker", "of any maker"]
)
def test_nor_while_the_iommu_is_off_until_then(
    tmp_path: Path, capsys: Output, words: str
) -> None:
    host = played_images.host_in(tmp_path, off(words=words))
    assert passthrough(ASKED, place(host)) == 0
    before = played_images.things(host)
    capsys.readouterr()
    assert passthrough(ASKED, place(host)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{CARD} is set to be bound already: reboot.")
    assert played_images.things(host) == before


def test_what_somebody_took_back_before_the_reboot_is_bound_again(
    tmp_path: Path, capsys: Output
) -> None:
    """The IOMMU will be on: what is missing comes along, with no second reboot."""
    host = played_images.host_in(tmp_path, off())
    assert passthrough(ASKED, place(host)) == 0
    both = played_images.things(host)
    grub = host.root / "etc/default/grub"
    grub.write_text(re.sub(r" ?vfio-pci\.ids=[^ \"]+", "", grub.read_text()))
    played.update_grub(host.root, ("update-grub",))
    host.moved()
    assert not is_set(host)
    capsys.readouterr()
    assert passthrough(ASKED, place(host)) == 0
    said = capsys.readouterr()
    assert is_set(host)
    assert "Not bound yet" not in said.err
    assert f"whether {CARD} has a group" in " ".join(said.err.split())
    assert set(played_images.things(host)) == set(both)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 3, 7])
def test_what_was_cut_is_finished_first(
    host: played.PlayedHost, capsys: Output, step: int
) -> None:
    with pytest.raises(Cut):
        passthrough(ASKED, cut_at(host, step))
    played.reboot(host)
    assert not is_set(host)
    capsys.readouterr()
    assert passthrough(ASKED, place(host)) == 0
    assert is_set(host)
    assert "was interrupted" in capsys.readouterr().err
