"""Rule files made at random, and the real udev that applies them to /dev/null."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

# The kernel names the subsystem in every event. `udevadm test` makes up its event, and
# 257 has ENV{SUBSYSTEM} in it only once a rule has asked for SUBSYSTEM.
AS_IN_AN_EVENT = 'SUBSYSTEM=="?*", ENV{ASKED}="1"'
# In a mount namespace of its own: what the rules do stays in there.
SCRIPT = f"""
set -e
mount --make-rprivate /
mkdir "$1/dev" "$1/rules"
mount -t tmpfs none "$1/dev"
cp -a /dev/null /dev/zero /dev/urandom "$1/dev/"
mount --bind "$1/dev" /dev
mount --bind "$1/rules" /etc/udev/rules.d
mount -t tmpfs none /usr/lib/udev/rules.d
mount -t tmpfs none /run/udev
echo '{AS_IN_AN_EVENT}' >/etc/udev/rules.d/05-event.rules
exec "$2" -I "$3" "$1" /
"""
LOOP = (sys.executable, str(Path(__file__).with_name("udev_loop.py")))
PERMISSIONS = re.compile(
    r"Setting permissions /dev/null, uid=(\d+), gid=(\d+), mode=0?(\d+)"
)
VALUES = {
    "SUBSYSTEM": ["mem", "kvmfr", "m*", "mem|net", "?em", "", "[mn]em", "mem*"],
    "KERNEL": [
        "null",
        "nul?",
        "*",
        "kvmfr*",
        "n[a-u]ll",
        "n[!u]ll",
        "zero|null",
        "NULL",
    ],
    "ACTION": ["add", "remove", "add|change", "*"],
    "DEVPATH": ["/devices/virtual/mem/null", "/devices/*", "*/null", "/x"],
    "DRIVER": ["", "x", "?*"],
    "OWNER": ["root", "nobody", "nosuch", "0", "33", "$env{X}", "%k", ""],
    "GROUP": ["root", "tty", "disk", "nosuch", "0", "5", "$kernel", ""],
    "MODE": ["0660", "0600", "0666", "660", "0999", "x", "", "07777", "1"],
    "TAG": ["uaccess", "seat", "a", "b", "uaccess"],
    "SYMLINK": ["one", "two three", "four", "one"],
    "NAME": ["%k", "", "x", "null"],
    "ENV": ["1", "0", "x*", ""],
    "LABEL": ["end", "l2"],
    "GOTO": ["end", "l2", "nowhere"],
    "RUN": ["/bin/true", "/bin/chown a %N", ""],
    "OPTIONS": ["string_escape=none", "watch", "x", "static_node=null", "last_rule"],
    "KERNELS": ["null", "*", "x"],
    "SUBSYSTEMS": ["mem", "pci", "*"],
    "ATTR": ["1:3", "*", "x"],
    "TAGS": ["a", "uaccess", "x"],
    "CONST": ["x86-64", "x"],
    "TEST": ["/dev/null", "/nosuch"],
    "PROGRAM": ["/bin/true", "/bin/false"],
    "RESULT": ["*", "x"],
    "IMPORT": ["/nosuch", "path_id"],
    "SECLABEL": ["x"],
    "BOGUS": ["x"],
}
LINKS = ["one", "two", "two three", "four", "five"]
LIKELY = [
    "SUBSYSTEM",
    "KERNEL",
    "OWNER",
    "GROUP",
    "MODE",
    "TAG",
    "SYMLINK",
    "ENV",
    "LABEL",
    "GOTO",
    "NAME",
    "RUN",
]
ATTRIBUTES = {
    "ENV": ["X", "DEVNAME", "SUBSYSTEM", "Y"],
    "ATTR": ["dev", "nosuch", "uevent"],
    "CONST": ["arch", "virt", "x"],
    "IMPORT": ["file", "builtin", "x"],
    "SECLABEL": ["selinux"],
    "RUN": ["program", "builtin"],
}
MATCHING = [
    "SUBSYSTEM",
    "KERNEL",
    "ACTION",
    "DEVPATH",
    "DRIVER",
    "KERNELS",
    "SUBSYSTEMS",
    "TAGS",
]
OPERATORS = ["==", "!=", "+=", "-=", ":=", "="]


class Told(NamedTuple):
    """What the real udev did: numbers, tags and links; None if it said nothing."""

    uid: int
    gid: int
    mode: int
    tags: frozenset[str]
    links: frozenset[str]
    log: str


def made(seed: int, takes_links_away: bool = False) -> str:
    """A rule file; most lines are sound, some are not."""
    random = Random(seed)
    lines = [_line(random) for _ in range(random.randint(1, 6))]
    if takes_links_away and random.random() < 0.3:
        at = random.randint(0, len(lines))
        lines.insert(at, f'KERNEL=="null", SYMLINK-="{random.choice(LINKS)}"')
    return "\n".join(lines) + random.choice(["\n", "\n", "\n", ""])


def _line(random: Random) -> str:
    if random.random() < 0.04:
        return random.choice(["# a comment", "", "   ", "nonsense", "KERNEL=="])
    terms = [_term(random) for _ in range(random.randint(1, 4))]
    if random.random() < 0.7:
        terms.insert(0, random.choice(['KERNEL=="null"', 'SUBSYSTEM=="mem"']))
    blank = random.choice([", ", ", ", ",", " , ", " ", ", \\\n  ", ", \\\n# in it\n"])
    return blank.join(terms)


def _term(random: Random) -> str:
    key = random.choice(LIKELY if random.random() < 0.85 else list(VALUES))
    match = key in MATCHING or (key in ("ENV", "TAG", "ATTR") and random.random() < 0.4)
    usual = ["==", "==", "!="] if match else ["=", "=", "+=", ":="]
    operator = random.choice(usual if random.random() < 0.9 else OPERATORS)
    if (key, operator) == ("SYMLINK", "-="):
        # 252 drops the line, later versions take it; which is the first is not known.
        operator = "+="
    attribute = ""
    if key in ATTRIBUTES and random.random() < 0.95:
        attribute = "{" + random.choice(ATTRIBUTES[key]) + "}"
    elif random.random() < 0.02:
        attribute = random.choice(["{}", "{x}"])
    prefix = random.choice(["e", "i"]) if random.random() < 0.03 else ""
    value = random.choice(VALUES[key])
    return f'{key}{attribute}{operator}{prefix}"{value}"'


def tell(files: dict[int, str], where: Path) -> dict[int, Told]:
    """Have the real udev apply each file alone; return what it did."""
    for folder in ("made", "told"):
        (where / folder).mkdir()
    for seed, text in files.items():
        (where / "made" / str(seed)).write_text(text)
    argv = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(where), *LOOP]
    environment = {
        "SYSTEMD_LOG_LEVEL": "debug",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    subprocess.run(argv, check=True, env=environment)  # noqa: S603
    return {seed: told((where / "told" / str(seed)).read_text()) for seed in files}


def told(log: str) -> Told:
    """Read what `udevadm test` printed: 252 what it sets, later ones what came out."""
    found = PERMISSIONS.search(log)
    if found:
        uid, gid, mode = int(found[1]), int(found[2]), int(found[3], 8)
    else:
        uid = _number(r"(?m)^Device node owner(?: user)?:\n.*\(uid=(\d+)\)", log, 0)
        gid = _number(r"(?m)^Device node (?:owner )?group:\n.*\(gid=(\d+)\)", log, 0)
        mode = _number(r"(?m)^Device node permission:\n +(\d+)$", log, 0o666, 8) & 0o777
    tags, links = _list(log, "CURRENT_TAGS", ":"), _list(log, "DEVLINKS")
    return Told(uid, gid, mode, tags, links, log)


def _number(pattern: str, text: str, otherwise: int, base: int = 10) -> int:
    found = re.search(pattern, text)
    return int(found[1], base) if found else otherwise


def _list(log: str, key: str, between: str | None = None) -> frozenset[str]:
    found = re.search(rf"(?m)^ *{key}=(.*)$", log)
    words = found[1].split(between) if found else []
    return frozenset(word.removeprefix("/dev/") for word in words if word)
