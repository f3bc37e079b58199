"""Our reader of udev rules against real udev: this machine's, and the newest."""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from support import udev_made, udev_newest
from support.effort import share
from support.udev_made import Told
from vfio_doctor.parse.systemd_versions import read_version
from vfio_doctor.parse.udev_effects import Assigned, Device, Effects, Names, effects
from vfio_doctor.parse.udev_rules import parse_udev_rules

NO_BUILTIN = re.compile(r'RUN\{builtin\}[^"]*""')
NODE = "/sys/class/mem/null"
pytestmark = [
    pytest.mark.needs_root,
    pytest.mark.needs_tool("unshare", "udevadm"),
    pytest.mark.runs("unshare", "udevadm"),
]


def ours(text: str) -> Effects:
    """What we say the rules do to /dev/null on this machine."""
    return ours_as(text, here())


@cache
def here() -> Names:
    """The accounts of this machine, and the version of its udev."""
    asked = subprocess.run(["udevadm", "--version"], capture_output=True, check=True)
    return Names(
        {user.pw_name: user.pw_uid for user in pwd.getpwall()},
        {group.gr_name: group.gr_gid for group in grp.getgrall()},
        read_version(asked.stdout.decode()),
    )


def settled(files: dict[int, str], names: Names) -> dict[int, str]:
    """The files on which 252 and this udev agree.

    252 takes a builtin without a name; 262 drops the line. Which was the first is not
    known.
    """
    if names.systemd and names.systemd.major == 252:
        return files
    return {seed: text for seed, text in files.items() if not NO_BUILTIN.search(text)}


def ours_as(text: str, names: Names) -> Effects:
    """What we say an udev with these accounts and of this version does."""
    attributes = (*os.listdir(NODE), "power/control", "power/runtime_status")
    place = "/devices/virtual/mem/null"
    device = Device("null", "mem", "add", place, tuple(attributes))
    return effects([("made.rules", parse_udev_rules(text))], device, names)


def differences(said: Effects, real: Told) -> list[str]:
    """Where the two differ; what we call uncertain is not held against us."""
    found = []
    for name, part, number in (
        ("owner", said.owner, real.uid),
        ("group", said.group, real.gid),
    ):
        if number != (part.number if part else 0) and (part is None or part.certain):
            found.append(f"{name}: {part and part.value}, really {number}")
    mode = said.mode
    if mode and mode.certain and int(mode.value, 8) & 0o777 != real.mode:
        found.append(f"mode: {mode.value}, really {real.mode:04o}")
    if mode is None and real.mode not in (0o600, 0o660, 0o666):
        found.append(f"mode: none, really {real.mode:04o}")
    for name, parts, words in (
        ("tags", said.tags, real.tags),
        ("links", said.symlinks, real.links),
    ):
        if _sure(parts) and {part.value for part in parts} != words:
            found.append(f"{name}: {parts}, really {sorted(words)}")
    return found


def _sure(parts: tuple[Assigned, ...]) -> bool:
    return all(part.certain for part in parts)


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(40), id="a few"),
        pytest.param(
            range(40, 40 + share(4000)), marks=pytest.mark.slow, id="thousands"
        ),
    ],
)
def test_made_rules_do_what_we_say(seeds: range, tmp_path: Path) -> None:
    files = settled({seed: udev_made.made(seed) for seed in seeds}, here())
    told = udev_made.tell(files, tmp_path)
    wrong = [
        f"{seed}: {difference}\n{text}\n{told[seed].log}"
        for seed, text in files.items()
        for difference in differences(ours(text), told[seed])
    ]
    assert not wrong, f"{len(wrong)} of {len(files)}\n{wrong[0]}"


@pytest.mark.runs("chroot")
@pytest.mark.skipif(
    not udev_newest.root(),
    reason=f"{udev_newest.VARIABLE} names no root with another udev",
)
@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(20), id="a few"),
        pytest.param(
            range(20, 20 + share(2000)), marks=pytest.mark.slow, id="thousands"
        ),
    ],
)
def test_the_newest_udev_does_what_we_say(seeds: range, tmp_path: Path) -> None:
    names = Names(
        udev_newest.accounts("passwd"),
        udev_newest.accounts("group"),
        read_version(udev_newest.version()),
    )
    made = {seed: udev_made.made(seed, takes_links_away=True) for seed in seeds}
    files = settled(made, names)
    told = udev_newest.tell(files, tmp_path)
    wrong = [
        f"{seed}: {difference}\n{text}\n{told[seed].log}"
        for seed, text in files.items()
        for difference in differences(ours_as(text, names), told[seed])
    ]
    assert not wrong, f"{len(wrong)} of {len(files)}\n{wrong[0]}"


def test_what_is_made_is_varied() -> None:
    texts = [udev_made.made(seed) for seed in range(400)]
    said = [ours(text) for text in texts[:100]]
    assert sum(bool(one.applied) for one in said) > 50
    assert sum(bool(one.remarks) for one in said) > 20
    for word in ("LABEL", "GOTO", ":=", 'e"', "RUN", "NAME", "\\\n", "nosuch"):
        assert any(word in text for text in texts), word
