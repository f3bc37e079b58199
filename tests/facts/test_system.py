import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import hosts
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.system import (
    Container,
    ImageInfo,
    OsRelease,
)
from vfio_doctor.parse import os_release

IMAGE = "/usr/share/ublue-os/image-info.json"


def test_os_release() -> None:
    text = 'NAME="Bluefin"\nID=bluefin\nID_LIKE="fedora rhel"\nVERSION_ID=\'41\'\n# c\n'
    found = Facts(hosts.build({"/etc/os-release": text}))[OsRelease]
    assert found == OsRelease("bluefin", ("fedora", "rhel"), "Bluefin 41", "41")
    assert found.is_like("fedora")
    assert not found.is_like("debian")


def test_os_release_of_the_vendor_where_etc_has_none() -> None:
    host = hosts.build({"/usr/lib/os-release": "ID=arch\nPRETTY_NAME=Arch\n"})
    assert Facts(host)[OsRelease].name == "Arch"
    with pytest.raises(MissingFact):
        _ = Facts(hosts.build({}))[OsRelease]


@given(st.text())
def test_os_release_never_raises(text: str) -> None:
    os_release.parse(text)


def test_image_info() -> None:
    text = '{"image-name": "bluefin-dx", "image-tag": "stable", "image-flavor": "dx"}'
    found = Facts(hosts.build({IMAGE: text}))[ImageInfo]
    assert found == ImageInfo("bluefin-dx", "dx", "", "stable")


@for_each("text", ["", "[]", "{", "\x00", "[" * 100000])
def test_image_info_that_is_none(text: str) -> None:
    with pytest.raises(MissingFact):
        _ = Facts(hosts.build({IMAGE: text}))[ImageInfo]


@for_each(
    ("files", "kind", "root"),
    [
        ({}, "", ""),
        ({"/.dockerenv": ""}, "docker", ""),
        ({"/.dockerenv": hosts.denied("/.dockerenv")}, "docker", ""),
        ({"/usr/bin/distrobox-host-exec": ""}, "", ""),
        (
            {"/run/.containerenv": "", "/usr/bin/distrobox-host-exec": ""},
            "distrobox",
            "",
        ),
        ({"/run/.containerenv": "", "/run/.toolboxenv": ""}, "toolbox", ""),
        ({"/.flatpak-info": ""}, "flatpak", ""),
        ({"/run/systemd/container": "lxc\n"}, "lxc", ""),
        ({"/run/systemd/container": ""}, "a container", ""),
        ({"/run/host/container-manager": "systemd-nspawn"}, "systemd-nspawn", ""),
        ({"/proc/1/cgroup": "12:cpu:/docker/0123\n0::/\n"}, "docker", ""),
        ({"/proc/1/cgroup": "0::/init.scope\n"}, "", ""),
        ({"/proc/sys/kernel/osrelease": "6.6-microsoft-standard-WSL2\n"}, "WSL", ""),
        ({"/proc/sys/kernel/osrelease": "6.6.1\n"}, "", ""),
        ({"/run/.containerenv": ""}, "podman", ""),
        (
            {"/run/.containerenv": "", "/run/host/etc/os-release": ""},
            "podman",
            "/run/host",
        ),
    ],
)
def test_container(files: dict[str, str], kind: str, root: str) -> None:
    assert Facts(hosts.build(files))[Container] == Container(kind, root)
