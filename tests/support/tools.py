"""Programs that only some machines have, and the Debian packages that bring them."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

PACKAGES = {
    "apparmor_parser": "apparmor",
    "bootctl": "systemd-boot",
    "chromium": "chromium",
    "dash": "dash",
    "dot": "graphviz",
    "git": "git",
    "grub-mkconfig": "grub-common",
    "kernel-install": "systemd",
    "libglib-2.0.so.0": "libglib2.0-bin",
    "libvirt.py": "python3-libvirt",
    "libvirt.so.0": "libvirt0",
    "libvirt_driver_qemu.so": "libvirt-daemon-driver-qemu",
    "man": "man-db",
    "modprobe": "kmod",
    "openssl": "openssl",
    "patch": "patch",
    "qemu-system-x86_64": "qemu-system-x86",
    "ruby": "ruby",
    "setpriv": "util-linux",
    "strace": "strace",
    "systemd-analyze": "systemd",
    "udevadm": "udev",
    "umockdev-run": "umockdev",
    "unshare": "util-linux",
    "virsh": "libvirt-clients",
}
# Where Debian puts modules that are no part of Python.
MODULES = Path("/usr/lib/python3/dist-packages")
# What libvirt loads, below the folder of its architecture.
DRIVERS, PART = Path("/usr/lib"), "libvirt/connection-driver"
# An ordinary user's search path leaves these out.
ADMIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def found(tool: str) -> str:
    """Return a program's path, a library's name, or "" if it is not here."""
    if tool.endswith(".py"):
        return tool if (MODULES / tool).exists() else ""
    if tool.endswith(".so"):
        return next((str(each) for each in DRIVERS.glob(f"*/{PART}/{tool}")), "")
    if ".so." in tool:
        return tool if _can_be_loaded(tool) else ""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN])
    return shutil.which(tool, path=path) or ""


def _can_be_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(tools: list[str]) -> list[str]:
    """Return which of these are not here; KeyError for one without a package."""
    return [tool for tool in tools if PACKAGES[tool] and not found(tool)]
