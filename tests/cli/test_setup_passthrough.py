"""``setup passthrough``: one plan that binds a card, or the reason why not."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from support import hosts
from support.fixture_hosts import catalogue
from support.fixture_hosts.hardware import kvm
from support.fixture_hosts.parts import Parts
from support.fixture_hosts.recipes.debian import with_arguments
from support.machines import PCI
from support.unbound_card import AUDIO, CARD, HOSTS_CARD, unbound
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import Diagnosed, diagnosed
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.place import Place
from vfio_doctor.app.setup_passthrough import passthrough
from vfio_doctor.cli import status
from vfio_doctor.host.capture_io import save

Output = pytest.CaptureFixture[str]
NO_HOSTS_CARD = (
    ("07:00.0 1002:67df 030000 amdgpu ", "07:00.0 8086:1521 020000 igb    "),
    ("07:00.1 1002:aaf0 040300 snd_hda_intel", "07:00.1 8086:1521 020000 igb"),
)


@pytest.fixture(name="host")
def host_file(tmp_path: Path) -> str:
    """A host that has the drivers, and no word of vfio-pci."""
    path = tmp_path / "host.host"
    save(unbound(ids=""), path)
    return str(path)


def set_up(host: str, *words: str) -> int:
    return status(["setup", "passthrough", "--capture", host, "--dry-run", *words])


def test_a_card_is_bound_whole_in_one_plan(host: str, capsys: Output) -> None:
    set_up(host, "--device", CARD)
    said = capsys.readouterr().out
    assert f"Bind {CARD} and {AUDIO} to vfio-pci at the next boot" in said
    assert "vfio-pci.ids=10de:2482,10de:228b" in said
    assert "update-initramfs" in said
    assert "The host keeps what it needs" in said
    assert "To take all of it back" in said


def test_by_ids(host: str, capsys: Output) -> None:
    set_up(host, "--device", "10de:2482")
    assert "vfio-pci.ids=10de:2482,10de:228b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (HOSTS_CARD, "the firmware and the console draw on it"),
        ("0000:01:00.0", "mounted at /"),
        ("0000:06:00.0", "default route"),
        ("0000:00:01.1", "is a bridge"),
    ],
)
def test_what_the_host_needs_stays(
    host: str, capsys: Output, device: str, why: str
) -> None:
    assert set_up(host, "--device", device) == 1
    captured = capsys.readouterr()
    said = " ".join(captured.err.split())
    assert "Step by step" not in captured.out
    assert why in said


def test_a_device_that_is_not_there(host: str, capsys: Output) -> None:
    assert set_up(host, "--device", "0000:99:00.0") == 2
    assert "no PCI device 0000:99:00.0" in capsys.readouterr().err


def test_without_a_terminal_a_device_is_named(host: str, capsys: Output) -> None:
    assert set_up(host) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "Name the device" in told
    # The list is that of the same host, not of this one.
    assert f"--capture {host} devices` lists" in told


def at_a_terminal(host: str) -> tuple[Chosen, Place]:
    def look(chosen: Chosen) -> Diagnosed:
        return diagnosed(chosen)

    chosen = Chosen(capture=host, fix=True, dry_run=True)
    return chosen, Place(look=look, is_terminal=lambda: True)


def test_a_card_is_chosen_by_its_number(
    host: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.prompt", lambda *_, type, **__: type("1"))
    chosen, place = at_a_terminal(host)
    passthrough(chosen, place)
    said = capsys.readouterr()
    rows = [line for line in said.err.splitlines() if line.startswith("  1. ")]
    assert len(rows) == 1
    first = rows[0].split()[1].rstrip(":")
    assert first in said.out
    assert f"{HOSTS_CARD} + 0000:07:00.1: graphics card (VGA) (no:" in said.err


def test_ctrl_c_at_the_choice_changes_nothing(
    host: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object, **__: object) -> int:
        raise click.Abort

    monkeypatch.setattr("click.prompt", leave)
    with pytest.raises(click.exceptions.Exit) as left:
        passthrough(*at_a_terminal(host))
    assert left.value.exit_code == 130
    assert "Nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("passthrough", "--hdr"), "--hdr is for `setup looking-glass`"),
        (("passthrough", "--resolution", "800x600"), "--resolution is for"),
        (("looking-glass", "--device", CARD), "--device is for `setup passthrough`"),
    ],
)
def test_options_of_the_other_set_up(
    host: str, capsys: Output, words: tuple[str, ...], told: str
) -> None:
    assert status(["setup", *words, "--capture", host, "--dry-run"]) == 2
    assert told in capsys.readouterr().err


def test_another_card_that_is_not_bound_is_left_alone(
    tmp_path: Path, capsys: Output
) -> None:
    """The arguments name the GeForce; the set-up is for a USB controller."""
    usb = "0000:09:00.3"
    path = tmp_path / "host.host"
    save(unbound(), path)
    set_up(str(path), "--device", usb)
    said = capsys.readouterr()
    assert f"Bind {CARD}" not in said.out
    assert "228b" not in said.out


def test_before_the_iommu_is_on_the_rest_waits(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    save(catalogue.capture("bluefin-dx-2121"), path)
    assert set_up(str(path), "--device", "0000:01:00.0") in (1, 3)
    said = capsys.readouterr()
    assert "intel_iommu=on" in said.out
    assert "static_size_mb" not in said.out
    assert "Not bound yet: 0000:01:00.0" in said.err
    assert "setup passthrough --device 0000:01:00.0` again" in said.err


def test_without_groups_nothing_can_be_chosen(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    save(catalogue.capture("bluefin-dx-2121"), path)
    with pytest.raises(Failure, match="The IOMMU is off"):
        passthrough(*at_a_terminal(str(path)))


@pytest.mark.parametrize("what", ["setup", "teardown"])
@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"/run/.containerenv": ""}, "inside a container (podman)"),
        ({"/proc/cmdline": "boot=live quiet\n"}, "a live medium (boot=live)"),
    ],
)
def test_where_nothing_comes_of_it(
    tmp_path: Path, capsys: Output, what: str, files: dict[str, str], why: str
) -> None:
    path = tmp_path / "host.host"
    save(unbound(Parts(dict(files)), ids=""), path)
    words = [] if what == "teardown" else ["--device", CARD]
    chosen = ["passthrough", "--capture", str(path), "--dry-run", *words]
    assert status([what, *chosen]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert why in said.err


def test_a_server_without_a_screen_gives_its_only_card(
    tmp_path: Path, capsys: Output
) -> None:
    """Nothing is shown on it: whoever says so may have it."""
    path = tmp_path / "host.host"
    none = Parts(gone=("/sys/class/drm", f"{PCI}/{HOSTS_CARD}/drm"))
    dark = Parts(
        {
            "/sys/class/drm/card1-HDMI-A-1/status": "disconnected\n",
            "/sys/class/drm/card1-HDMI-A-1/enabled": "disabled\n",
        },
        folders=(f"{PCI}/{CARD}/drm/card1",),
    )
    save(unbound(none, dark, ids="", changes=NO_HOSTS_CARD), path)
    assert set_up(str(path), "--device", CARD) == 1
    assert "such as a server, add --headless" in capsys.readouterr().err
    set_up(str(path), "--device", CARD, "--headless")
    said = capsys.readouterr()
    assert f"Bind {CARD} and {AUDIO}" in said.out, said


def test_a_3d_controller_is_warned_of(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    save(unbound(ids="", changes=((" 030000 nouveau", " 030200 nouveau"),)), path)
    set_up(str(path), "--device", CARD)
    said = capsys.readouterr()
    assert f"Bind {CARD} and {AUDIO}" in said.out
    assert "is a 3D controller without a display output" in said.err


def test_a_second_identical_card_stays(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    twin = (("07:00.0 1002:67df", "07:00.0 10de:2482"),)
    save(unbound(ids="", changes=twin), path)
    set_up(str(path), "--device", CARD)
    assert "by address" in capsys.readouterr().out


def test_kvm_ignores_msrs_if_it_is_asked_to(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / "host.host"
    save(unbound(kvm("N", "Y"), *with_arguments("quiet"), ids=""), path)
    set_up(str(path), "--device", CARD)
    said = capsys.readouterr().out
    assert "kvm.report_ignored_msrs=0" in said
    assert "kvm.ignore_msrs=1" not in said
    set_up(str(path), "--device", CARD, "--ignore-msrs")
    said = capsys.readouterr().out
    after = next(x for x in said.splitlines() if x.startswith("  after: "))
    assert "kvm.ignore_msrs=1" in after
    assert "kvm.report_ignored_msrs=0" in after
    assert "vfio-pci.ids=" in after


@pytest.mark.parametrize(
    ("second", "refusal"),
    [
        ("0000:02:00.1", "all keyboards are connected to this card"),
        ("0000:08:00.1", "no keyboard would be left"),
        ("0000:09:00.3", ""),
    ],
)
def test_the_last_keyboards_stay_though_none_is_the_only_one(
    tmp_path: Path, capsys: Output, second: str, refusal: str
) -> None:
    # One card has both, or the other one goes to a VM at the next boot already.
    leds = {
        f"/sys/class/leds/input{n}::capslock": hosts.link(
            f"../../devices/pci0000:00/{bdf}/usb1/1-2/input/input{n}/leds/x"
        )
        for n, bdf in enumerate(("0000:02:00.0", second))
    }
    going = "vfio-pci.ids=10de:2482,10de:228b"
    path = tmp_path / "typed.host"
    save(unbound(Parts(stats=dict(leds)), ids=going), path)
    set_up(str(path), "--device", "0000:02:00.0")
    told = capsys.readouterr()
    assert refusal in " ".join(told.err.split())
    assert ("Bind 0000:02:00.0" in told.out) is not bool(refusal)


@pytest.mark.parametrize(
    ("case", "device", "words"),
    [
        ("case-vfio-04-b450-card-behind-chipset", "0000:07:00.0", "no VM can get it"),
        ("vfio-ids-good", "0000:08:00.0", "give it to the VM"),
    ],
)
def test_a_bound_card_is_given_only_if_its_group_is_free(
    tmp_path: Path, capsys: Output, case: str, device: str, words: str
) -> None:
    path = tmp_path / "bound.host"
    save(catalogue.capture(case), path)
    ended = set_up(str(path), "--device", device)
    assert words in " ".join(capsys.readouterr().err.split())
    assert ended == (1 if case.startswith("case") else 0)
