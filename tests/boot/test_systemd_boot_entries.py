import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from support import hosts
from support.effort import share
from support.rows import for_each
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.sealed import (
    SEALED_ADD,
    SEALED_APPEND,
    SEALED_GO,
    SEALED_WHOLE,
    SealedImage,
)
from vfio_doctor.boot.systemd_boot import SystemdBoot, with_options
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.systemd_menu import default_entry
from vfio_doctor.parse import bls, version_order
from vfio_doctor.parse.cmdline import words

ENTRIES = "/boot/loader/entries"
ADD_B = ArgumentEdit(("a",), ("a", "b"))
LINES = [
    pytest.param("options a\n", "options a b\n", id="plain"),
    pytest.param("options a\r\n", "options a b\r\n", id="CRLF"),
    pytest.param(
        "options a \r\nlinux x\r\n", "options a b \r\nlinux x\r\n", id="blank"
    ),
    pytest.param("options\ta\t--\tsingle\n", "options\ta\tb --\tsingle\n", id="tabs"),
    pytest.param("options a --\n", "options a b --\n", id="dashes at the end"),
    pytest.param(
        "options a -- x\noptions y\n",
        "options a b -- x\noptions y\n",
        id="earlier line",
    ),
    pytest.param("options a\noptions\n", "options a\noptions b\n", id="options alone"),
    pytest.param('options "a"\n', 'options "a b"\n', id="quoted as a whole"),
    pytest.param("  options a", "  options a b", id="no line end"),
    pytest.param("#options a\noptions a\n", "#options a\noptions a b\n", id="comment"),
    pytest.param("linux x\r\n", "linux x\r\noptions b\r\n", id="no options yet"),
]


@for_each(("before", "after"), LINES)
def test_a_word_is_added_where_the_loader_reads_it(before: str, after: str) -> None:
    assert with_options(before, ADD_B) == after
    given = words(bls.options(after))
    assert "b" in given[: given.index("--") if "--" in given else None]
    assert with_options(after, ADD_B) == after


@for_each(
    ("before", "after"),
    [
        ("options a b\noptions b\n", "options a\noptions b\n"),
        ("options a b\r\n", "options a\r\n"),
        ("options a -- b\n", "options a -- b\n"),
        ("options b a\n", "options a\n"),
    ],
)
def test_one_occurrence_before_the_dashes_goes(before: str, after: str) -> None:
    assert with_options(before, ArgumentEdit(("a", "b"), ("a",))) == after


@pytest.mark.parametrize("key", ["efi", "uki"])
def test_a_program_with_its_own_arguments_gets_no_options(key: str) -> None:
    host = hosts.build(
        {
            f"{ENTRIES}/arch.conf": f"title x\n{key} /EFI/Linux/arch.efi\n",
            "/etc/kernel/cmdline": "root=x rw\n",
            "/proc/cmdline": "root=x rw\n",
        }
    )
    assert SystemdBoot().read(host) == ("root=x", "rw")
    with pytest.raises(CannotFix) as refusal:
        SystemdBoot().steps(host, ArgumentEdit(("root=x", "rw"), ("root=x", "rw", "b")))
    assert refusal.value.message.id == SEALED_APPEND.id


@for_each(
    ("files", "after", "id_"),
    [
        ({"/etc/kernel/cmdline": "a\n"}, ("a", "b"), SEALED_APPEND.id),
        ({"/etc/cmdline.d/root.conf": "a\n"}, ("a", "b"), SEALED_ADD.id),
        ({"/etc/cmdline.d/root.conf": "a\n"}, (), SEALED_GO.id),
        ({}, ("a", "b"), SEALED_WHOLE.id),
    ],
)
def test_advice_for_an_image_is_one_line_for_one_file(
    files: dict[str, str], after: tuple[str, ...], id_: str
) -> None:
    with pytest.raises(CannotFix) as refusal:
        SealedImage().steps(hosts.build(files), ArgumentEdit(("a",), after))
    assert refusal.value.message.id == id_
    assert ("root" in str(refusal.value)) == (not after)


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze"
)
PARTS = (
    "1",
    "10",
    "007",
    "a",
    "rc",
    "B",
    "~",
    "^",
    "-",
    ".",
    "_",
    "+",
    "arch",
    ".conf",
)


@needs_systemd
@pytest.mark.runs("systemd-analyze")
def test_versions_are_ordered_as_systemd_does() -> None:
    chance = random.Random(1)
    for _ in range(share(150)):
        one = "".join(chance.choices(PARTS, k=chance.randint(1, 5)))
        cut = chance.randint(0, len(one))
        other = one[:cut] + chance.choice(PARTS) + one[cut:]
        asked = ["systemd-analyze", "compare-versions", "--", one, other]
        status = subprocess.run(asked, capture_output=True, check=False).returncode
        order = version_order.compare(one, other)
        assert status == {1: 11, 0: 0, -1: 12}[order], (one, other)
        assert version_order.compare(other, one) == -order


NAMES = ("arch", "arch-lts", "Arch-zen", "m-6.9.0", "m-6.10.0", "m-6.10.0.1", "a")
PATTERNS = ("", "arch*", "arch.conf", "m-*", "gone.conf", "*lts*", "m-6.1?.0.conf")


# What the loader itself takes otherwise is left out: quotes around the whole value.
OPTIONS = (
    *("options a b", "options\ta\tb", "options  a  ", "  options a"),
    *("options a -- c", "#options x", "OPTIONS y", "options=z", "options a # c"),
    *("optionsx y", "options \u00e4", 'options a="b c" d'),
)


@pytest.mark.runs("bootctl")
@pytest.mark.needs_tool("bootctl")
def test_the_default_and_its_options_are_those_of_bootctl(tmp_path: Path) -> None:
    chance = random.Random(2)
    for n in range(share(25)):
        root = tmp_path / str(n)
        files = _menu(root, chance)
        default, options = _bootctl(root)
        found = default_entry(hosts.build(files))
        assert isinstance(found, str)
        assert found.rpartition("/")[2] == default, files
        ours = {
            path.rpartition("/")[2]: bls.options(str(text))
            for path, text in files.items()
            if path.startswith(ENTRIES)
        }
        assert ours == options, files


def _menu(root: Path, chance: random.Random) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    for name in chance.sample(NAMES, chance.randint(2, 6)):
        end = chance.choice(("\n", "\r\n"))
        lines = [f"title {name}", "linux /k"]
        lines += [
            f"{key} {chance.choice(values)}"
            for key, values in (
                ("sort-key", ("arch", "zen")),
                ("version", ("6.9", "6.10", "6.10~rc1")),
                ("machine-id", ("a" * 32, "b" * 32)),
            )
            if chance.random() < 0.5
        ]
        lines += chance.choices(OPTIONS, k=chance.randint(0, 3))
        files[f"{ENTRIES}/{name}.conf"] = end.join(lines) + chance.choice((end, ""))
    files["/boot/loader/loader.conf"] = f"default {chance.choice(PATTERNS)}\n"
    for path, text in files.items():
        target = root / path.removeprefix("/boot/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(str(text), encoding="utf-8", newline="")
    (root / "k").write_text("")
    return files


def _bootctl(root: Path) -> tuple[str, dict[str, str]]:
    """Return the name of the entry that boots, and the options of each."""
    shown = _list(root)
    default = shown[shown.index("(default)") :].split("id:")[1].split()[0]
    text = _list(root, "--json=short")
    rows = json.loads(text if text.startswith("[") else _as_array(text))
    return default, {row["id"]: row.get("options", "") for row in rows}


def _as_array(text: str) -> str:
    """Return what older versions print, an object a line, as one list."""
    return f"[{','.join(line for line in text.splitlines() if line)}]"


def _list(root: Path, *more: str) -> str:
    return subprocess.run(
        ["bootctl", "list", *more],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SYSTEMD_ESP_PATH": str(root), "LC_ALL": "C.UTF-8"},
    ).stdout
