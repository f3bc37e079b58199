"""Devices and their udev properties: pyudev lives here, and only here."""

from __future__ import annotations

import os

from vfio_doctor.host.reader import Missing, UdevDevice, Why

FOLDERS = ("/sys/class/{}", "/sys/bus/{}/devices")


def devices(subsystem: str) -> tuple[UdevDevice, ...] | Missing:
    """Return the devices of a subsystem with properties and current tags.

    Where libudev cannot be loaded (some Python builds bring none that fits), the
    devices come from sysfs alone and say so.
    """
    try:
        import pyudev

        context = pyudev.Context()
    except (ImportError, OSError, AttributeError):
        return from_sysfs(subsystem)
    found: list[UdevDevice] = []
    try:
        for device in context.list_devices(subsystem=subsystem):
            found.append(_record(device))
    except OSError as error:
        return Missing(f"udev subsystem {subsystem}", Why.FAILED, str(error))
    return tuple(sorted(found))


def _record(device: object) -> UdevDevice:
    get = device.__getattribute__
    properties = get("properties")
    tags = getattr(device, "current_tags", None) or get("tags")
    return UdevDevice(
        sys_path=str(get("sys_path")),
        subsystem=str(get("subsystem")),
        sys_name=str(get("sys_name")),
        device_node=str(get("device_node") or ""),
        properties=tuple(sorted((str(k), str(properties[k])) for k in properties)),
        tags=tuple(sorted(str(tag) for tag in tags)),
    )


def from_sysfs(subsystem: str) -> tuple[UdevDevice, ...] | Missing:
    """Return the devices that sysfs lists for a class or bus, without tags."""
    for form in FOLDERS:
        folder = form.format(subsystem)
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        return tuple(_from_folder(subsystem, folder, name) for name in names)
    return ()


def _from_folder(subsystem: str, folder: str, name: str) -> UdevDevice:
    path = f"{folder}/{name}"
    properties: dict[str, str] = {}
    try:
        with open(f"{path}/uevent", encoding="utf-8", errors="replace") as file:
            for line in file.read(1 << 16).splitlines():
                key, _, value = line.partition("=")
                properties[key] = value
    except OSError:
        pass
    node = properties.get("DEVNAME", "")
    return UdevDevice(
        sys_path=os.path.realpath(path),
        subsystem=subsystem,
        sys_name=name,
        device_node=f"/dev/{node}" if node else "",
        properties=tuple(sorted(properties.items())),
        from_database=False,
    )
