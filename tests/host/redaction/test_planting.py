"""Random words in every place of every format: none of them leaves the host."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from fnmatch import fnmatchcase
from json import dumps

import pytest

from support.effort import mostly_slow
from support.fixture_hosts import catalogue
from support.planting import ALL_FILES, Words, in_each_place, planted
from vfio_doctor.app.attachment import build
from vfio_doctor.app.sharing import shared
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load as registry
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts, Options
from vfio_doctor.host.archive import read_stream
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult
from vfio_doctor.host.redaction import accounts, formats, programs
from vfio_doctor.host.redaction.names import Names
from vfio_doctor.model import RunInfo
from vfio_doctor.report import json, markdown, text
from vfio_doctor.report.style import Look

HOSTS = ("healthy-bazzite", "debian12-grub", "arch-systemd-boot", "bluefin-dx-2121")
RUN = RunInfo("2026-01-01T00:00:00Z", 0, "this host")
# The names of boards are what a firmware's menu is known by: they stay.
KEPT = "/sys/class/dmi/id/"


def left(words: Words, whole: str) -> list[str]:
    plain = whole.lower()
    forms = ((word, word.lower(), escaped(word)) for word in words.given)
    return [word for word, here, there in forms if here in plain or there in plain]


def escaped(word: str) -> str:
    """Return a word as JSON spells it that has plain letters only."""
    return dumps(word)[1:-1].lower()


@pytest.mark.parametrize("name", mostly_slow(HOSTS, 4))
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_byte_of_an_archive_tells(name: str, seed: int) -> None:
    words = Words(seed)
    host = CapturedHost(planted(name, words))
    assert len(words.given) > 900
    made = build(host, registry(), Options(areas=("kvmfr",)), RUN, redacted=True)
    held = read_stream("it", io.BytesIO(made.data))
    whole = "\n".join(
        f"{member}\n{data.decode('utf-8', 'replace')}" for member, data in held.items()
    )
    assert left(words, whole + whole.replace("\0", "")) == []


def test_every_format_is_planted_in() -> None:
    """Who adds a format plants in it, too: `support.planting_newer`."""
    full = [Words(0).fill(path) for path in ALL_FILES]
    # Of binary files only numbers are read; boards are known by their names.
    rows = (r for r in formats.ROWS if r.binary is None and KEPT not in r.paths[0])
    bare = [r.paths for r in rows if not any(_has(p, full) for p in r.paths)]
    assert bare == []


def _has(pattern: str, full: list[str]) -> bool:
    return any(fnmatchcase(path, pattern) for path in full)


@pytest.mark.parametrize("name", HOSTS)
def test_no_report_for_others_tells(name: str) -> None:
    words = Words(3)
    host = CapturedHost(planted(name, words))
    options = Options(areas=("kvmfr",))
    rules = registry()
    seen = shared(host, options, lambda _, facts: diagnose(facts, rules))
    facts = Facts(seen.host, seen.options)
    report = assemble(seen.host, facts, diagnose(facts, rules), RUN, ())
    for shown in (
        json.render(report),
        markdown.render(report),
        text.render(report, Look(100, verbosity=2)),
    ):
        assert left(words, shown) == []


def test_the_words_are_there_before() -> None:
    words = Words(4)
    made = build(
        CapturedHost(planted(HOSTS[0], words)), registry(), Options(), RUN, False
    )
    held = read_stream("it", io.BytesIO(made.data))
    whole = "\n".join(
        f"{member}\n{data.decode('utf-8', 'replace')}" for member, data in held.items()
    )
    assert len(left(words, whole)) > 0.97 * len(words.given)


def outputs(name: str) -> list[tuple[str, str, Callable[[str], str]]]:
    """Return (label, text, what is left of such a text) of all that a host holds."""
    capture = catalogue.capture(name)
    need = accounts.needed(capture)
    found: list[tuple[str, str, Callable[[str], str]]] = []
    for path, data in capture.files.items():
        if isinstance(data, bytes) and data and b"\0" not in data and KEPT not in path:
            found.append((path, data.decode(), functools.partial(file, path, need)))
    for argv, answer in capture.commands.items():
        if isinstance(answer, CommandResult):
            put = functools.partial(command, answer, need)
            found.append((" ".join(argv), answer.stdout, put))
    return found


def file(path: str, need: accounts.Needed, content: str) -> str:
    made = formats.file(path, content.encode(), Names(), need)
    return "" if made is None else made.decode()


def command(value: CommandResult, need: accounts.Needed, output: str) -> str:
    said = value._replace(stdout=output, stderr=output)
    made = programs.command(value.argv, said, Names(), need)
    return f"{made.stdout}{made.stderr}" if isinstance(made, CommandResult) else ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy-bazzite", "debian12-grub", "real-healthy"])
def test_one_word_anywhere_in_a_real_file(name: str) -> None:
    words = Words(5)
    tried = 0
    for label, content, put in outputs(name):
        if "/sys/" in label and "/pci/" in label and words.random.random() > 0.05:
            continue
        for changed in in_each_place(content, words, 25):
            tried += 1
            assert words.given[-1].lower() not in put(changed).lower(), (label, changed)
    assert tried > 200
