"""``setup passthrough --accept-siblings``: what shares the card's group goes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.unbound_card import AUDIO, CARD, unbound
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save

Output = pytest.CaptureFixture[str]
USB = "0000:09:00.3"
ACCEPT = "--accept-siblings"
USB_ROW = "09:00.3 1022:149c 0c0330 xhci_hcd     "
SHARED = ((f"{USB_ROW}12", f"{USB_ROW}11"),)
# A second controller shares the group of the first one's second function.
CHAIN = (
    (
        f"{USB_ROW}12",
        f"{USB_ROW}11\n09:00.4 1022:1487 0c0330 xhci_hcd 13\n"
        "0a:00.0 1022:43ee 0c0330 xhci_hcd 13",
    ),
)
WITH_DISK = (
    ("01:00.0 144d:a808 010802 nvme          7", "01:00.0 144d:a808 010802 nvme 11"),
)


def set_up(tmp_path: Path, changes: tuple[tuple[str, str], ...], *words: str) -> int:
    path = tmp_path / "-".join(("host", *words))
    save(unbound(ids="", changes=changes), path)
    all_words = ["--capture", str(path), "--dry-run", "--device", CARD, *words]
    return status(["setup", "passthrough", *all_words])


def test_without_it_nothing_is_planned(tmp_path: Path, capsys: Output) -> None:
    ended = set_up(tmp_path, SHARED)
    said = capsys.readouterr()
    assert ended == 1
    assert said.out == ""
    assert f"group 11 also holds {USB} (xhci_hcd)" in said.err
    assert f"without {USB}, add {ACCEPT}" in said.err


def test_with_it_all_of_the_group_is_bound(tmp_path: Path, capsys: Output) -> None:
    set_up(tmp_path, SHARED, ACCEPT)
    said = capsys.readouterr()
    assert f"Bind {CARD} and {AUDIO} to vfio-pci" in said.out
    assert f"Bind {USB} to vfio-pci" in said.out
    after = next(x for x in said.out.splitlines() if x.startswith("  after: "))
    assert "vfio-pci.ids=10de:2482,10de:228b,1022:149c" in after


def test_what_shares_a_group_with_a_sibling_comes_too(
    tmp_path: Path, capsys: Output
) -> None:
    ended = set_up(tmp_path, CHAIN)
    assert ended == 1
    err = capsys.readouterr().err
    assert f"without {USB}, 0000:09:00.4 and 0000:0a:00.0, add {ACCEPT}" in err
    set_up(tmp_path, CHAIN, ACCEPT)
    out = capsys.readouterr().out
    assert f"Bind {USB} and 0000:09:00.4 to vfio-pci" in out
    assert "Bind 0000:0a:00.0" in out


@pytest.mark.parametrize("words", [(), (ACCEPT,)])
def test_what_the_host_needs_is_never_bound_along(
    tmp_path: Path, capsys: Output, words: tuple[str, ...]
) -> None:
    ended = set_up(tmp_path, (*SHARED, *WITH_DISK), *words)
    said = capsys.readouterr()
    assert ended == 1
    assert said.out == ""
    assert "mounted at /" in said.err
    assert f"add {ACCEPT}" not in said.err


def test_alone_in_its_group_it_changes_nothing(tmp_path: Path, capsys: Output) -> None:
    set_up(tmp_path, (), ACCEPT)
    said = capsys.readouterr()
    assert said.out.count("Bind ") == 1


def test_an_image_is_built_with_all_of_them(tmp_path: Path, capsys: Output) -> None:
    assert set_up(tmp_path, SHARED, "--format", "bootc") == 1
    assert set_up(tmp_path, SHARED, "--format", "bootc", ACCEPT) == 0
    assert "10de:2482,10de:228b,1022:149c" in capsys.readouterr().out
