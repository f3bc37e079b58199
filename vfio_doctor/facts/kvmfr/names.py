"""What kvmfr and its files are called: the one place that knows."""

from __future__ import annotations

# The module, the udev subsystem, and the prefix of its kernel arguments.
KVMFR = "kvmfr"
FIRST_NODE = "/dev/kvmfr0"
PARAMETER = "static_size_mb"
CLASS_FOLDER = "/sys/class/kvmfr"
# Files that the administrator has, and that --fix writes.
MODPROBE_FILE = "/etc/modprobe.d/kvmfr.conf"
LIST_FILE = "/etc/modules-load.d/kvmfr.conf"


def option_line(sizes: str) -> str:
    """Return the line of modprobe.d that gives the module its sizes in MiB."""
    return f"options {KVMFR} {PARAMETER}={sizes}"
