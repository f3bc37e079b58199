"""What rpm-ostree and bootc say of their deployments, as JSON.

Shapes: ``rpm-ostree status --json`` lists deployments, the next boot's default
first; ``bootc status --format json`` names booted, staged and rollback.
"""

from __future__ import annotations

from vfio_doctor.value import NamedTuple


class Deployment(NamedTuple):
    """One installed system: where it lies below ``/ostree/deploy``, and its state.

    ``image`` is "" where it does not come from a container image. ``own_initramfs``:
    rpm-ostree made its initramfs on this machine, with ``dracut`` as arguments.
    """

    stateroot: str
    checksum: str
    serial: int
    booted: bool
    staged: bool
    image: str = ""
    version: str = ""
    pinned: bool = False
    own_initramfs: bool = False
    dracut: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Return the deployment's root folder, "" where it is not named."""
        named = _is_name(self.stateroot) and _is_name(self.checksum)
        if not named:
            return ""
        return f"/ostree/deploy/{self.stateroot}/deploy/{self.checksum}.{self.serial}"


class BootcStatus(NamedTuple):
    """What bootc boots: each deployment, None where there is none.

    ``incompatible`` is true where rpm-ostree has changed the booted one;
    ``sealed`` where its arguments are part of a signed unified kernel image.
    """

    booted: Deployment | None
    staged: Deployment | None
    rollback: Deployment | None
    rollback_queued: bool = False
    incompatible: bool = False
    sealed: bool = False


def rpm_ostree_status(text: str) -> tuple[Deployment, ...] | None:
    """Return the deployments, the default first; None where it is no such JSON."""
    held = _json(text).get("deployments")
    if not isinstance(held, list):
        return None
    return tuple(_rpm_ostree(each) for each in held if isinstance(each, dict))


def _rpm_ostree(held: dict[str, object]) -> Deployment:
    return Deployment(
        _text(held, "osname"),
        _text(held, "checksum"),
        _number(held, "serial"),
        held.get("booted") is True,
        held.get("staged") is True,
        _text(held, "container-image-reference"),
        _text(held, "version"),
        held.get("pinned") is True,
        held.get("regenerate-initramfs") is True,
        _texts(held, "initramfs-args"),
    )


def bootc_status(text: str) -> BootcStatus | None:
    """Return what bootc boots; None where it is no such JSON."""
    held = _json(text).get("status")
    if not isinstance(held, dict):
        return None
    booted = _dict(held, "booted")
    return BootcStatus(
        _bootc(held, "booted"),
        _bootc(held, "staged"),
        _bootc(held, "rollback"),
        held.get("rollbackQueued") is True,
        booted.get("incompatible") is True,
        _dict(booted, "composefs").get("bootType") == "Uki",
    )


def _bootc(status: dict[str, object], slot: str) -> Deployment | None:
    held = _dict(status, slot)
    if not held:
        return None
    image, ostree = _dict(held, "image"), _dict(held, "ostree")
    return Deployment(
        _text(ostree, "stateroot"),
        _text(ostree, "checksum"),
        _number(ostree, "deploySerial"),
        slot == "booted",
        slot == "staged",
        _text(_dict(image, "image"), "image"),
        _text(image, "version"),
        held.get("pinned") is True,
    )


def _json(text: str) -> dict[str, object]:
    import json

    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def _dict(held: dict[str, object], key: str) -> dict[str, object]:
    value = held.get(key)
    return value if isinstance(value, dict) else {}


def _text(held: dict[str, object], key: str) -> str:
    value = held.get(key)
    return value if isinstance(value, str) else ""


def _texts(held: dict[str, object], key: str) -> tuple[str, ...]:
    value = held.get(key)
    found = value if isinstance(value, list) else []
    return tuple(each for each in found if isinstance(each, str))


def _number(held: dict[str, object], key: str) -> int:
    value = held.get(key)
    return value if isinstance(value, int) else 0


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and text not in (".", "..")
