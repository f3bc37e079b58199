"""What is told of a set-up before its reboot, and item by item after it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support import engine_trees as trees
from support import played_images
from support import played_machine as played
from support.machines import PCI
from support.played_place import place
from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.journal_notes import notes
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.commands.verify import look as verify
from vfio_doctor.facts.pci.recorded_groups import RECORD
from vfio_doctor.model import FileStep
from vfio_doctor.repair.journal import runs
from vfio_doctor.repair.verify import after_reboot

pytestmark = pytest.mark.runs("sh")
Output = pytest.CaptureFixture[str]


@pytest.fixture(name="host")
def set_up(tmp_path: Path, capsys: Output) -> played.PlayedHost:
    host = played_images.host_in(tmp_path, unbound(ids=""))
    assert passthrough(Chosen(fix=True, yes=True, devices=(CARD,)), place(host)) == 0
    capsys.readouterr()
    return host


def rebooted(host: played.PlayedHost, bound: bool = True) -> None:
    root = host.root
    words = played.next_words(host)
    trees.put(root, trees.BOOT_ID, "second-boot")
    trees.put(root, "/proc/cmdline", f"{words}\n")
    for device, driver in ((CARD, "nouveau"), (AUDIO, "snd_hda_intel")):
        path = root / f"{PCI}/{device}/uevent".lstrip("/")
        text = path.read_text()
        assert f"DRIVER={driver}\n" in text
        if bound:
            path.write_text(text.replace(f"DRIVER={driver}", "DRIVER=vfio-pci"))
    if bound:
        trees.put(root, "/sys/module/vfio_pci/initstate", "live\n")
        trees.put(root, "/dev/vfio/11", "")
    host.moved()


def told(host: played.PlayedHost) -> str:
    return "\n".join(map(str, notes(place(host).machine(host, None))))


def test_the_groups_are_recorded(host: played.PlayedHost) -> None:
    text = (host.root / RECORD.lstrip("/")).read_text()
    both = f"{CARD},{AUDIO}"
    assert text == f"{CARD} 10de:2482 11 {both}\n{AUDIO} 10de:228b 11 {both}\n"


def test_right_after_it_the_reboot_is_due(
    host: played.PlayedHost, capsys: Output
) -> None:
    assert verify(place(host), quiet=False) == 0
    assert capsys.readouterr().out == "A reboot is needed: vfio-not-bound.\n"


def test_after_the_reboot_each_item_is_told(
    host: played.PlayedHost, capsys: Output
) -> None:
    rebooted(host)
    said = told(host)
    for item in (
        "vfio-pci.ids=10de:2482,10de:228b",
        f"{CARD} is on vfio-pci",
        f"{AUDIO} is on vfio-pci",
        f"{CARD} is in IOMMU group 11",
        "the module vfio_pci is loaded",
        "the node /dev/vfio/11",
    ):
        assert f"In effect: {item}." in said
    assert "All 11 changes of the last repair are in effect." in said
    assert verify(place(host), quiet=False) == 0
    assert f"In effect: {CARD} is on vfio-pci." in capsys.readouterr().out


def test_a_card_that_its_driver_took_is_told_with_the_reason(
    host: played.PlayedHost, capsys: Output
) -> None:
    rebooted(host, bound=False)
    why = f"{CARD} on vfio-pci: nouveau has it."
    assert f"A change of the last repair is not in effect: {why}" in told(host)
    assert verify(place(host), quiet=False) == 1
    assert f"Not in effect: {why}" in capsys.readouterr().err


def test_a_kernel_that_moves_the_group_is_seen(
    host: played.PlayedHost, capsys: Output
) -> None:
    rebooted(host)
    path = host.root / RECORD.lstrip("/")
    path.write_text(path.read_text().replace(f",{AUDIO}", f",{AUDIO},0000:09:00.0"))
    host.moved()
    assert verify(place(host), quiet=True) == 1
    assert "at set-up its group held" in told(host)


def test_a_module_that_is_missing_and_an_iommu_that_is_off_are_told(
    host: played.PlayedHost,
) -> None:
    rebooted(host, bound=False)
    for device in (CARD, AUDIO):
        host.kernel.stats.pop(f"{PCI}/{device}/iommu_group")
    shutil.rmtree(host.root / "sys/module/vfio_pci", ignore_errors=True)
    host.moved()
    said = told(host)
    lost = "A change of the last repair is not in effect: "
    assert f"{lost}the module vfio_pci: it is not loaded, nor built in." in said
    no_group = f"the IOMMU group of {CARD}: it has no group: the IOMMU is off."
    assert f"{lost}{no_group}" in said
    assert "In effect: vfio-pci.ids=10de:2482,10de:228b." in said


@pytest.mark.parametrize("kept", [True, False])
def test_a_file_of_arguments_is_judged_by_its_words(
    host: played.PlayedHost, kept: bool
) -> None:
    rebooted(host)
    path = host.root / "etc/default/grub"
    text = path.read_text()
    # As a tool does that writes it anew, or a person who takes them out.
    path.write_text(f"# mine\n{text}" if kept else text.replace("vfio-pci.ids", "x"))
    host.moved()
    said = told(host)
    assert ("/etc/default/grub: it was changed since" not in said) == kept
    assert ("All 11 changes" in said) == kept


def test_the_entry_of_a_kernel_that_is_gone_is_not_told_as_lost(
    host: played.PlayedHost,
) -> None:
    rebooted(host)
    machine = place(host).machine(host, None)
    [run] = runs(machine.files)
    gone = "/boot/loader/entries/old.conf"
    entries = tuple(
        entry._replace(
            step=entry.step._replace(step=entry.step.step._replace(path=gone))
        )
        if entry.step.arguments and isinstance(entry.step.step, FileStep)
        else entry
        for entry in run.entries
    )
    lasting = after_reboot(host, (run._replace(entries=entries),))
    assert all(one.in_effect for one in lasting)
    assert gone not in [one.what for one in lasting]
