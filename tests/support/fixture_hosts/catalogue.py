"""Every fixture host by name: those made by a recipe, and those that are files."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

from support.fixture_hosts.parts import Recipe
from support.fixture_hosts.parts import capture as made
from vfio_doctor.host.capture_io import load, save_text
from vfio_doctor.host.captured import Capture, CapturedHost

FILES = Path(__file__).resolve().parents[2] / "fixtures" / "hosts"
SUFFIX = ".host"


@cache
def recipes() -> dict[str, Recipe]:
    """Return the recipes of all modules in ``recipes/`` by the host's name."""
    home = Path(__file__).with_name("recipes")
    found: dict[str, Recipe] = {}
    for path in sorted(home.glob("[a-z]*.py")):
        module = import_module(f"support.fixture_hosts.recipes.{path.stem}")
        for recipe in module.HOSTS:
            if recipe.name in found:
                raise ValueError(f"two recipes for {recipe.name}")
            found[recipe.name] = recipe
    return found


@cache
def files() -> dict[str, Path]:
    """Return the captured hosts' files by the host's name."""
    found = {path.name.removesuffix(SUFFIX): path for path in FILES.iterdir()}
    if both := found.keys() & recipes().keys():
        raise ValueError(f"a recipe and a file for {', '.join(sorted(both))}")
    return found


def names() -> list[str]:
    """Return the names of all fixture hosts, sorted."""
    return sorted([*recipes(), *files()])


@cache
def _capture(name: str) -> Capture:
    recipe = recipes().get(name)
    return made(recipe) if recipe else load(files()[name], name)


def capture(name: str) -> Capture:
    """Return a fixture host's capture; its tables may be changed."""
    held = _capture(name)
    return held._replace(
        files=dict(held.files),
        stats=dict(held.stats),
        lists=dict(held.lists),
        commands=dict(held.commands),
        udev=dict(held.udev),
        probes=dict(held.probes),
        manifest=dict(held.manifest),
    )


def host(name: str) -> CapturedHost:
    """Return a fixture host."""
    return CapturedHost(capture(name))


def like(name: str) -> str:
    """Return the name of the host that a host was made from, or ""."""
    return str(_capture(name).manifest.get("like", ""))


def path(name: str) -> Path:
    """Return a host's file; one that a recipe makes is written first, once."""
    return files().get(name) or _written(name)


@cache
def _written(name: str) -> Path:
    written = _scratch() / f"{name}{SUFFIX}"
    save_text(capture(name), written)
    return written


@cache
def _scratch() -> Path:
    folder = tempfile.mkdtemp(prefix="vfio-doctor-hosts-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
