"""Devices and their udev properties: pyudev lives here, and only here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Missing, UdevDevice, Why

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyudev

FOLDERS = ("/sys/class/{}", "/sys/bus/{}/devices")
UEVENT_BYTES = 1 << 16


def devices(subsystem: str) -> tuple[UdevDevice, ...] | Missing:
    """Return the devices of a subsystem with properties and current tags.

    Where libudev cannot be loaded (some Python builds bring none that fits), the
    devices come from sysfs alone and say so. A device that vanishes while it is
    read is left out.
    """
    try:
        import pyudev

        context = _context()
    except (ImportError, OSError, AttributeError):
        return from_sysfs(subsystem)
    try:
        return tuple(sorted(_from_database(context, subsystem)))
    except (OSError, MemoryError, pyudev.DeviceError, UnicodeError) as error:
        return Missing(f"udev subsystem {subsystem}", Why.FAILED, str(error))


def _context() -> pyudev.Context:
    """Open the database through libudev, by the name that the loader knows.

    Left to itself pyudev looks for the library with gcc and ld, from wherever the
    caller's PATH leads; root runs nothing from there.
    """
    import pyudev
    from pyudev._ctypeslib import utils

    search = utils.find_library
    utils.find_library = "lib{}.so.1".format
    try:
        return pyudev.Context()
    finally:
        utils.find_library = search


def _from_database(context: object, subsystem: str) -> Iterator[UdevDevice]:
    import pyudev

    assert isinstance(context, pyudev.Context)
    for device in context.list_devices(subsystem=subsystem):
        try:
            properties = dict(device.properties)
        except UnicodeDecodeError:
            # A name or serial number in another encoding: sysfs has the rest.
            yield from _from_folder(subsystem, device.sys_path)
            continue
        except (KeyError, OSError, pyudev.DeviceNotFoundError):
            continue
        yield UdevDevice(
            sys_path=device.sys_path,
            subsystem=subsystem,
            sys_name=device.sys_name,
            device_node=device.device_node or "",
            properties=tuple(sorted(properties.items())),
            tags=_current_tags(properties),
        )


def _current_tags(properties: dict[str, str]) -> tuple[str, ...]:
    """Return the tags that hold now.

    ``TAGS`` keeps every tag a device ever had; ``CURRENT_TAGS`` came with systemd
    247, before which a tag was dropped with the event that did not set it again.
    """
    text = properties.get("CURRENT_TAGS", properties.get("TAGS", ""))
    return tuple(sorted(tag for tag in text.split(":") if tag))


def from_sysfs(subsystem: str, root: str = "") -> tuple[UdevDevice, ...] | Missing:
    """Return the devices that sysfs lists for a class or bus, without tags.

    ``root`` is what stands before ``/sys``.
    """
    for form in FOLDERS:
        folder = root + form.format(subsystem)
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            return Missing(f"udev subsystem {subsystem}", Why.FAILED, str(error))
        found = (_from_folder(subsystem, f"{folder}/{n}", root) for n in names)
        return tuple(sorted(device for each in found for device in each))
    return ()


def _from_folder(subsystem: str, path: str, root: str = "") -> Iterator[UdevDevice]:
    """Yield the device of one folder in sysfs, nothing where it has vanished."""
    try:
        with open(f"{path}/uevent", "rb") as file:
            text = file.read(UEVENT_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    pairs = (line.partition("=") for line in text.splitlines())
    properties = {key: value for key, found, value in pairs if found}
    node = properties.get("DEVNAME", "")
    yield UdevDevice(
        sys_path=os.path.realpath(path).removeprefix(root),
        subsystem=subsystem,
        sys_name=os.path.basename(path),
        device_node=f"/dev/{node}" if node else "",
        properties=tuple(sorted(properties.items())),
        from_database=False,
    )


class EventWatch:
    """Hears what udev has finished with, from before it is asked to.

    ``udevadm settle`` tells that the queue is empty, which it also is where no
    udevd runs; an event of udev's own tells that the rules were applied.
    """

    def __init__(self, subsystem: str) -> None:
        """Start to listen; deaf where libudev or the netlink socket is not there."""
        self._monitor = None
        try:
            import pyudev

            self._monitor = pyudev.Monitor.from_netlink(_context(), "udev")
            self._monitor.filter_by(subsystem)
            self._monitor.start()
        except (ImportError, OSError, AttributeError):
            self._monitor = None

    def missed(self, names: frozenset[str], seconds: float) -> frozenset[str]:
        """Return the devices of which no event came in time; all are told at once.

        Where nothing can be heard nothing counts as missed.
        """
        import time

        if self._monitor is None:
            return frozenset()
        left, end = set(names), time.monotonic() + seconds
        while left and (now := time.monotonic()) < end:
            device = self._monitor.poll(end - now)
            if device is not None:
                left.discard(str(device.sys_name))
        return frozenset(left)
