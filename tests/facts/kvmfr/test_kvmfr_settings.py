from __future__ import annotations

import pytest

from support.hosts import build, denied
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact, Options
from vfio_doctor.facts.kvmfr.size import ConnectedModes, KvmfrSettings, KvmfrSize
from vfio_doctor.host.reader import Missing

DRM = "/sys/class/drm"
MENU = "menuentry 'Debian' --class debian {{\n\tlinux\t/boot/vmlinuz-6.1 ro {}\n}}\n"


def grub(arguments: str) -> dict[str, str | bytes | Missing]:
    return {
        "/etc/default/grub": f'GRUB_CMDLINE_LINUX="{arguments}"\n',
        "/boot/grub/grub.cfg": 'set default="0"\n' + MENU.format(arguments),
        "/usr/sbin/update-grub": "",
        "/usr/sbin/grub-mkconfig": "",
    }


def output(name: str, status: str, modes: str) -> dict[str, str | bytes | Missing]:
    return {f"{DRM}/{name}/status": f"{status}\n", f"{DRM}/{name}/modes": modes}


def settings(files: dict[str, str | bytes | Missing]) -> KvmfrSettings:
    return Facts(build({"/proc/cmdline": "quiet\n", **files}))[KvmfrSettings]


def option(value: str) -> dict[str, str | bytes | Missing]:
    return {"/etc/modprobe.d/k.conf": f"options kvmfr {value}\n"}


def test_nothing_set() -> None:
    found = settings({})
    assert found.now.option is None
    assert found.now.errors
    assert found.loaded_by is None
    assert found.kept_out_by is None


def test_the_command_line_beats_the_file() -> None:
    line = {"/proc/cmdline": "kvmfr.static_size_mb=64"}
    found = settings({**option("static_size_mb=128"), **line})
    assert found.now.option == ("64", None)
    assert [lost.value for lost in found.now.beaten] == ["128"]
    assert not found.now.errors


def test_a_bad_value_counts_though_it_loses() -> None:
    line = {"/proc/cmdline": "kvmfr.static_size_mb=64"}
    found = settings({**option("static_size_mb=128M"), **line})
    assert found.now.errors[0].id == "kvmfr-size-error-at"
    assert "128M" in str(found.now.errors[0])
    assert "/etc/modprobe.d/k.conf:1" in str(found.now.errors[0])
    zero = settings({**option("static_size_mb=0"), **line})
    assert not zero.now.errors


def test_now_and_the_next_boot() -> None:
    found = settings({**grub("kvmfr.static_size_mb=64"), "/proc/cmdline": "ro quiet\n"})
    assert found.now.option is None
    assert found.following.option == ("64", None)


def test_foreign_parameters() -> None:
    found = settings(option("static_size_mb=64 size=3"))
    assert [name for name, _ in found.foreign] == ["size"]


def test_unread_files() -> None:
    path = "/etc/modules-load.d/a.conf"
    line = {"/proc/cmdline": "kvmfr.static_size_mb=64"}
    found = settings({path: denied(path), **line})
    assert isinstance(found.loaded_by, MissingFact)
    assert found.now.option == ("64", None)
    with pytest.raises(MissingFact):
        settings({path: denied(path)})


@for_each(
    ("files", "asked", "mib", "why"),
    [
        ({}, 0, 128, "no monitor"),
        ({}, 256, 256, "--size"),
        (output("card0-DP-1", "connected", "2560x1440\n1x1\n"), 0, 64, "2560x1440"),
        (output("card0-DP-1", "disconnected", "7680x4320\n"), 0, 128, "no monitor"),
        (output("card0-DP-1", "connected", ""), 0, 128, "no monitor"),
        (output("card0-DP-1", "connected", "1280x720\n"), 0, 32, "1280x720"),
        (output("renderD128", "connected", "7680x4320\n"), 0, 128, "no monitor"),
        (
            {
                **output("card0-DP-1", "connected", "3840x2160\n"),
                **output("card1-HDMI-A-1", "connected", "1920x1080i\n"),
            },
            0,
            128,
            "3840x2160",
        ),
    ],
)
def test_wanted_size(
    files: dict[str, str | bytes | Missing], asked: int, mib: int, why: str
) -> None:
    size = Facts(build(files), Options(size_mib=asked))[KvmfrSize]
    assert size.mib == mib
    assert why in str(size.why)


@for_each("asked", [100, -1, 16, 2048])
def test_a_size_that_qemu_does_not_take(asked: int) -> None:
    with pytest.raises(MissingFact, match="a power of two from 32 to 1024 MiB"):
        Facts(build({}), Options(size_mib=asked))[KvmfrSize]


def test_modes_that_cannot_be_read() -> None:
    path = f"{DRM}/card0-DP-1/status"
    assert Facts(build({path: denied(path)}))[ConnectedModes].modes == ()
