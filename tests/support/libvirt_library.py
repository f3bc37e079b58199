"""libvirt-python as Debian brings it, and a VM of libvirt's own test driver."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.tools import MODULES
from vfio_doctor.repair import domain_step


def connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Give a connection, with a VM that is off; its driver lives as long as that."""
    library = imported(monkeypatch, tmp_path)
    monkeypatch.setattr(domain_step, "URI", "test:///default")
    connection = library.open("test:///default")
    (domain,) = connection.listAllDomains()
    domain.destroy()
    yield connection
    connection.close()


def imported(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    """Return libvirt-python; an environment of its own does not see Debian's."""
    if importlib.util.find_spec("libvirt") is None:
        monkeypatch.syspath_prepend(str(alone(folder)))
    return pytest.importorskip(
        "libvirt", reason="not here: libvirt-python (Debian: python3-libvirt)"
    )


def alone(folder: Path) -> Path:
    """Return a folder that has Debian's libvirt-python, and no other module of its."""
    library = folder / "library"
    library.mkdir()
    for path in MODULES.glob("libvirt*"):
        (library / path.name).symlink_to(path)
    return library
