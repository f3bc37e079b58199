"""A set-up as files of an image's build, or as a module of NixOS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.messages import say
from vfio_doctor.report.untrusted import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vfio_doctor.facts.set_up_files import SetUpFiles

NAME = "50-vfio-doctor"
_QUOTE = re.compile(r"'(?=['$])")
KARGS = f"/usr/lib/bootc/kargs.d/{NAME}.toml"
DRACUT = f"/usr/lib/dracut/dracut.conf.d/{NAME}.conf"
MODPROBE = "/usr/lib/modprobe.d/vfio-doctor.conf"
# Both set-ups may be in one image.
KVMFR_MODPROBE = "/usr/lib/modprobe.d/vfio-doctor-kvmfr.conf"
MODULES = f"/usr/lib/modules-load.d/{NAME}.conf"
RULES = "/usr/lib/udev/rules.d/70-kvmfr.rules"
IMAGE_HEAD = say(
    "image-files-head",
    "For the Containerfile of your image; this host was not changed.",
)
REBUILD = (
    "RUN kver=$(ls /usr/lib/modules) && \\",
    "    dracut --force --no-hostonly --reproducible --add ostree \\",
    '      --kver "$kver" "/usr/lib/modules/$kver/initramfs.img"',
)
LIBVIRT = say(
    "image-files-libvirt",
    "In /etc/libvirt/qemu.conf, have cgroup_device_acl hold {devices} beside libvirt's "
    "own list: `vfio-doctor --with kvmfr` on a host of this image shows the list.",
)
MODULE = say(
    "image-files-module",
    "The image has to hold the module kvmfr for its kernel (akmod-kvmfr, or DKMS).",
)
NIX_HEAD = say(
    "nixos-module-head",
    "A module of NixOS: save it beside configuration.nix and name it in imports; this "
    "host was not changed.",
)


def containerfile(files: SetUpFiles) -> str:
    """Return the lines to add to a Containerfile."""
    return "".join(f"{line}\n" for line in _image(files))


def _image(files: SetUpFiles) -> Iterator[str]:
    yield f"# {IMAGE_HEAD}"
    if files.arguments:
        words = ", ".join(f'"{_toml(word)}"' for word in files.arguments)
        yield from _file(KARGS, (f"kargs = [{words}]",))
    if files.options:
        path = KVMFR_MODPROBE if files.modules else MODPROBE
        yield from _file(path, files.options)
    if files.modules:
        yield f"# {MODULE}"
        yield from _file(MODULES, files.modules)
    if files.rules:
        yield from _file(RULES, files.rules)
    if files.early:
        yield from _file(DRACUT, (f'force_drivers+=" {" ".join(files.early)} "',))
        yield from REBUILD
    if files.devices:
        yield f"# {LIBVIRT.filled(devices=files.devices)}"


def _file(path: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield a COPY with the file's text in it; the quotes keep it as it is."""
    yield f"COPY <<'EOF' {path}"
    yield from map(clean, lines)
    yield "EOF"


def _toml(word: str) -> str:
    return clean(word).replace("\\", "\\\\").replace('"', '\\"')


def nixos_module(files: SetUpFiles) -> str:
    """Return a module for configuration.nix to import."""
    return "".join(f"{line}\n" for line in _nixos(files))


def _nixos(files: SetUpFiles) -> Iterator[str]:
    yield f"# {NIX_HEAD}"
    yield "{ config, lib, pkgs, ... }:"
    yield "{"
    if files.arguments:
        yield f"  boot.kernelParams = [ {_strings(files.arguments)} ];"
    if files.early:
        yield f"  boot.initrd.kernelModules = lib.mkBefore [ {_strings(files.early)} ];"
    if files.modules:
        kept = " ".join(f"config.boot.kernelPackages.{m}" for m in files.modules)
        yield f"  boot.extraModulePackages = [ {kept} ];"
        yield f"  boot.kernelModules = [ {_strings(files.modules)} ];"
    if files.options:
        yield "  boot.extraModprobeConfig = ''"
        yield from (f"    {_indented(line)}" for line in files.options)
        yield "  '';"
    if files.rules:
        # extraRules come as 99-local.rules, too late for the tag uaccess.
        yield "  services.udev.packages = ["
        yield "    (pkgs.writeTextDir \"lib/udev/rules.d/70-kvmfr.rules\" ''"
        yield from (f"      {_indented(line)}" for line in files.rules)
        yield "    '')"
        yield "  ];"
    if files.devices:
        yield from _verbatim(files.devices)
    yield "}"


def _verbatim(devices: tuple[str, ...]) -> Iterator[str]:
    from vfio_doctor.facts.libvirt.conf import BUILT_IN

    # The option's default, which this takes the place of.
    yield "  virtualisation.libvirtd.qemu.verbatimConfig = ''"
    yield "    namespaces = []"
    yield "    cgroup_device_acl = ["
    quoted = (f'"{device}"' for device in (*BUILT_IN, *devices))
    yield f"      {', '.join(quoted)}"
    yield "    ]"
    yield "  '';"


def _strings(words: tuple[str, ...]) -> str:
    return " ".join(f'"{_nix(word)}"' for word in words)


def _nix(word: str) -> str:
    text = clean(word).replace("\\", "\\\\").replace('"', '\\"')
    return text.replace("${", "\\${")


def _indented(line: str) -> str:
    """Return a line for an indented string, whose own signs are escaped.

    A quote in front of an escape would be read as part of it.
    """
    quoted = _QUOTE.sub(r"''\\'", clean(line))
    return quoted.replace("${", "''${")
