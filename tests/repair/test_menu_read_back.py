"""A boot tool that says it made the menu is not believed: the menu is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import engine_trees as trees
from support import hosts
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit, MenuMaker
from vfio_doctor.boot.grub import Grub
from vfio_doctor.boot.limine import Limine
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.host.reader import Missing, Reader, Why
from vfio_doctor.repair.read_back import menu_lacks
from vfio_doctor.repair.session import apply_plan
from vfio_doctor.repair.values import Ending

EDIT = ArgumentEdit(("quiet", "iommu=off", "a=1", "a=1"), ("quiet", "a=1", "new=1"))


@for_each(
    ("menu", "said"),
    [
        (("root=x", "quiet", "a=1", "new=1"), ""),
        (("root=x", "quiet", "a=1"), "lacks new=1"),
        (("quiet", "a=1", "new=1", "iommu=off"), "still has iommu=off"),
        (("quiet", "a=1", "--", "new=1", "iommu=off"), "lacks new=1"),
        (("iommu=off",), "lacks new=1 and still has iommu=off"),
        (Missing("/boot/grub/grub.cfg", Why.FAILED), ""),
    ],
)
def test_what_a_menu_lacks(menu: tuple[str, ...] | Missing, said: str) -> None:
    why = menu_lacks(menu, EDIT)
    assert str(why or "").endswith(said)
    assert (why is not None) == bool(said)


def test_who_makes_a_menu() -> None:
    assert isinstance(Grub(), MenuMaker)
    assert isinstance(Limine(), MenuMaker)
    assert not isinstance(trees.FakeBoot(), MenuMaker)


class MenuBoot(trees.FakeBoot, MenuMaker):
    """A boot tool with a menu of its own, whatever it is told."""

    def __init__(self, made: tuple[str, ...]) -> None:
        self.made = made

    def menu(self, host: Reader) -> tuple[str, ...] | Missing:
        return self.made


@pytest.mark.parametrize(
    ("made", "ending"),
    [(trees.AFTER, Ending.DONE), (trees.BEFORE, Ending.ROLLED_BACK)],
)
def test_a_menu_of_old_words_takes_the_run_back(
    tmp_path: Path, made: tuple[str, ...], ending: Ending
) -> None:
    trees.sick_tree(tmp_path)
    before = trees.snapshot(tmp_path)
    machine = trees.machine(tmp_path)._replace(backend=MenuBoot(made))
    outcome = apply_plan(trees.whole_plan(tmp_path), machine)
    assert outcome.ending is ending
    if ending is Ending.ROLLED_BACK:
        assert outcome.why is not None
        assert outcome.why.id == "menu-lacks"
        assert trees.snapshot(tmp_path) == before


@pytest.mark.parametrize("backend", [Grub(), Limine()], ids=lambda b: str(b.name))
def test_words_for_init_are_not_written_behind(backend: Grub | Limine) -> None:
    host = hosts.build({"/etc/default/grub": 'GRUB_CMDLINE_LINUX="-- 3"\n'})
    edit = ArgumentEdit(("--", "3"), ("new=1", "--", "3"))
    with pytest.raises(CannotFix, match="add by hand before it: new=1"):
        backend.steps(host, edit)
