"""Write down how the rules end on the fixture hosts, or check what is written."""

from __future__ import annotations

import os
from pathlib import Path

from support.fixture_hosts import catalogue, verdicts
from vfio_doctor.commands import fixture

# Names of fixture hosts that a real kernel made, in scripts/e2e.
REAL = "real-"
USAGE = "usage: scripts/fixtures [--check | --real FOLDER | --into FOLDER]"


def different(folder: Path) -> dict[str, str | None]:
    """Return what the files that are wrong should hold; None: they should not be."""
    wanted = verdicts.wanted(folder)
    wrong: dict[str, str | None] = {
        rule: text
        for rule, text in wanted.items()
        if not (folder / rule).is_file()
        or (folder / rule).read_text(encoding="utf-8") != text
    }
    left = {path.name for path in folder.iterdir()} - wanted.keys()
    return wrong | dict.fromkeys(sorted(left))


def check(folder: Path) -> int:
    """Say which files are not as the diagnoses of today make them."""
    wrong = different(folder)
    count = f"{len(verdicts.rules())} rules on {len(catalogue.names())} hosts"
    shown = [f"{os.path.relpath(folder / name)}: not as it ends" for name in wrong]
    print("\n".join(shown) or f"{count} end as written")
    return 1 if wrong else 0


def write(folder: Path) -> int:
    """Write the files that are not as they should be, and name them."""
    folder.mkdir(exist_ok=True)
    for name, text in different(folder).items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text, encoding="utf-8")
        done = "Deleted" if text is None else "Written"
        print(f"{done}: {os.path.relpath(folder / name)}")
    return 0


def take_real(attachments: Path, target: Path) -> int:
    """Make fixtures of what scripts/e2e has left, in place of the former ones."""
    found = sorted(attachments.glob(f"{REAL}*.tar.gz"))
    for path in found:
        name = path.name.removesuffix(".tar.gz")
        like = catalogue.like(name) if name in catalogue.files() else ""
        (target / f"{name}{catalogue.SUFFIX}").unlink(missing_ok=True)
        fixture.write(name, str(path), str(target), like)
    print(f"{len(found)} real hosts written to {target}; now run scripts/fixtures")
    return 0 if found else 1


def write_all(folder: Path) -> int:
    """Write every host as a file, for reading, or for ``vfio-doctor --capture``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in catalogue.names():
        data = catalogue.path(name).read_bytes()
        (folder / f"{name}{catalogue.SUFFIX}").write_bytes(data)
    print(f"{len(catalogue.names())} hosts written to {folder}")
    return 0


def main(arguments: list[str]) -> int:
    """Do what the arguments say; see scripts/fixtures."""
    match arguments:
        case []:
            return write(verdicts.FOLDER)
        case ["--check"]:
            return check(verdicts.FOLDER)
        case ["--real", folder]:
            return take_real(Path(folder), catalogue.FILES)
        case ["--into", folder]:
            return write_all(Path(folder))
    print(USAGE)
    return 2
