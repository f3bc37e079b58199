from __future__ import annotations

from typing import Any

import pytest

from support import corpus
from support.hosts import build, changed, denied, link
from support.rows import for_each
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.parse.cmdline import CommandLine, parse
from vfio_doctor.places import FilePlace

NOTHING = parse("quiet")
COMMAND_LINE = "kernel command line"
KVMFR = "options kvmfr static_size_mb={}\n"


def config(files: dict[str, str | bytes | Missing]) -> ModuleConfig:
    return of(build(files))


def of(host: CapturedHost) -> ModuleConfig:
    return Facts(host)[ModuleConfig]


def size(found: ModuleConfig, line: CommandLine = NOTHING) -> tuple[str | None, str]:
    option = found.effective("kvmfr", "static_size_mb", line)
    assert option is not None
    return option.value, str(option.source)


@for_each(
    ("files", "line", "expected"),
    [
        pytest.param(
            {"/etc/modprobe.d/a.conf": KVMFR.format(64)},
            "",
            ("64", "/etc/modprobe.d/a.conf:1"),
            id="one-file",
        ),
        pytest.param(
            {
                "/etc/modprobe.d/a.conf": KVMFR.format(64),
                "/usr/lib/modprobe.d/b.conf": KVMFR.format(128),
            },
            "",
            ("128", "/usr/lib/modprobe.d/b.conf:1"),
            id="by-file-name-not-by-folder",
        ),
        pytest.param(
            {
                "/etc/modprobe.d/a.conf": KVMFR.format(64),
                "/usr/lib/modprobe.d/a.conf": KVMFR.format(128),
            },
            "",
            ("64", "/etc/modprobe.d/a.conf:1"),
            id="masked",
        ),
        pytest.param(
            {"/etc/modprobe.d/a.conf": KVMFR.format(64) + KVMFR.format(32)},
            "",
            ("32", "/etc/modprobe.d/a.conf:2"),
            id="last-line",
        ),
        pytest.param(
            {"/etc/modprobe.d/a.conf": KVMFR.format("128,64") + KVMFR.format(32)},
            "",
            ("32", "/etc/modprobe.d/a.conf:2"),
            id="array-again-from-the-first",
        ),
        pytest.param(
            {"/etc/modprobe.d/a.conf": KVMFR.format(64)},
            "kvmfr.static-size-mb=256",
            ("256", COMMAND_LINE),
            id="command-line-wins",
        ),
        pytest.param(
            {"/etc/modprobe.d/a.conf": KVMFR.format(64)},
            "kvmfr.static_size_mb",
            (None, COMMAND_LINE),
            id="bare",
        ),
    ],
)
def test_effective(
    files: dict[str, str | bytes | Missing], line: str, expected: tuple[str, str]
) -> None:
    assert size(config(files), parse(line)) == expected


def test_nothing_set() -> None:
    found = config({"/etc/modprobe.d/a.con": KVMFR.format(64)})
    assert found.effective("kvmfr", "static_size_mb", NOTHING) is None
    assert [note.kind for note in found.notes("kvmfr")] == ["wrong-suffix"]


def test_spellings_are_one() -> None:
    found = config({"/etc/modprobe.d/a.conf": "options vfio-pci ids=1:2\n"})
    place = FilePlace("/etc/modprobe.d/a.conf", 1)
    assert found.effective("vfio_pci", "ids", NOTHING) == ("1:2", place)


@pytest.mark.parametrize(
    "stat",
    [link("/dev/null")],
)
def test_masked_by_null(stat: Any) -> None:
    path = "/etc/modprobe.d/a.conf"
    host = build(
        {
            path: Missing(path, Why.FAILED, "not a regular file"),
            "/usr/lib/modprobe.d/a.conf": KVMFR.format(128),
        },
        {path: stat},
    )
    assert of(host).effective("kvmfr", "static_size_mb", NOTHING) is None


def test_folder_is_passed_over() -> None:
    path = "/etc/modprobe.d/a.conf"
    host = build({path: Missing(path, Why.FAILED, "a folder")}, folders=(path,))
    assert of(host).effective("kvmfr", "static_size_mb", NOTHING) is None


@for_each("why", [Why.DENIED, Why.FAILED, Why.TIMED_OUT])
def test_unread_file_is_unknown(why: Why) -> None:
    path = "/etc/modprobe.d/a.conf"
    found = config({path: Missing(path, why)})
    with pytest.raises(MissingFact):
        found.effective("kvmfr", "static_size_mb", NOTHING)
    with pytest.raises(MissingFact):
        found.loaded_at_boot("kvmfr", NOTHING)
    with pytest.raises(MissingFact):
        found.blacklisted("kvmfr", NOTHING)
    line = parse("kvmfr.static_size_mb=64")
    assert size(found, line) == ("64", COMMAND_LINE)


def test_unread_folder_is_unknown() -> None:
    host = build({})
    host.capture.lists["/etc/modules-load.d"] = denied("/etc/modules-load.d")
    with pytest.raises(MissingFact, match="root"):
        of(host).loaded_at_boot("kvmfr", NOTHING)


@for_each(
    ("files", "line", "expected"),
    [
        ({"/etc/modules-load.d/a.conf": "kvmfr\n"}, "", "/etc/modules-load.d/a.conf"),
        ({"/usr/lib/modules-load.d/k.conf": "kvmfr"}, "", None),
        ({}, "modules-load=kvm,kvmfr", f"{COMMAND_LINE} (modules-load=)"),
        ({}, "modules_load=kvmfr", f"{COMMAND_LINE} (modules-load=)"),
        ({}, "rd.modules-load=kvmfr", f"{COMMAND_LINE} (rd.modules-load=)"),
        ({"/etc/modules-load.d/a.txt": "kvmfr\n"}, "", None),
        ({"/etc/modules-load.d/a.conf": "#kvmfr\n"}, "modules-load", None),
    ],
)
def test_loaded_at_boot(
    files: dict[str, str | bytes | Missing], line: str, expected: str | None
) -> None:
    if "/usr/lib/modules-load.d/k.conf" in files:  # masked by an empty file
        files = {**files, "/etc/modules-load.d/k.conf": ""}
    found = config(files).loaded_at_boot("kvmfr", parse(line))
    assert (found and str(found)) == expected


@for_each(
    ("text", "line", "expected"),
    [
        ("blacklist kvmfr\n", "", "/etc/modprobe.d/a.conf:1 (blacklist)"),
        ("install kvmfr /bin/false\n", "", "/etc/modprobe.d/a.conf:1 (install)"),
        ("install kvmfr /sbin/modprobe -i kvmfr\n", "", None),
        ("blacklist nouveau\n", "", None),
        ("", "module_blacklist=x,kvmfr", f"{COMMAND_LINE} (module_blacklist=)"),
        ("", "modprobe.blacklist=kvmfr", f"{COMMAND_LINE} (modprobe.blacklist=)"),
    ],
)
def test_blacklisted(text: str, line: str, expected: str | None) -> None:
    found = config({"/etc/modprobe.d/a.conf": text})
    by = found.blacklisted("kvmfr", parse(line))
    assert (by and str(by)) == expected


def test_softdep_pulls_in() -> None:
    found = config({"/etc/modprobe.d/a.conf": "softdep kvm post: kvmfr\n"})
    assert found.pulled_in_by("kvmfr") == (("kvm", "/etc/modprobe.d/a.conf:1"),)
    assert found.pulled_in_by("vfio") == ()


@for_each(
    ("path", "text", "kinds"),
    [
        ("/etc/modprobe/kvmfr.conf", KVMFR.format(64), ["wrong-directory"]),
        ("/etc/modules-load/kvmfr.conf", "kvmfr\n", ["wrong-directory"]),
        ("/etc/modules-load.d/kvmfr", "kvmfr\n", ["wrong-suffix"]),
        ("/etc/modprobe.d/kvmfr.conf", "# a dummy file\n", ["nothing-in-force"]),
        ("/etc/modprobe.d/x.conf", "#" + KVMFR.format(64), ["commented-out"]),
        ("/etc/modprobe.d/x.conf", "option kvmfr a=1\n", ["unknown-directive"]),
        ("/etc/modules-load.d/x.conf", "kvmfr vfio\n", ["several-words"]),
        ("/etc/modprobe.d/x.conf", "option nouveau a=1\n", []),
        ("/etc/modprobe.d/kvmfr.conf", KVMFR.format(64), []),
    ],
)
def test_notes(path: str, text: str, kinds: list[str]) -> None:
    notes = config({path: text}).notes("kvmfr")
    assert [note.kind for note in notes] == kinds
    assert all(note.path == path and str(note.said) for note in notes)


def bundles() -> list[Any]:
    return [pytest.param(r, id=r["id"]) for r in corpus.records("host-bundles.jsonl")]


@for_each("record", bundles())
def test_bundles(record: dict[str, Any]) -> None:
    files = {path: text for path, text in record["files"].items() if path[0] == "/"}
    found, expected = config(files), record["expected"]
    line = parse(files.get("/proc/cmdline", ""))
    if "kvmfr_static_size_mb" in expected:
        option = found.effective("kvmfr", "static_size_mb", line)
        given = [int(n) for n in (option.value or "").split(",")] if option else None
        assert given == expected["kvmfr_static_size_mb"]
    if "vfio_ids_in_force" in expected:
        ids = found.effective("vfio_pci", "ids", line)
        assert (
            (ids.value or "").split(",")
            if ids
            else (expected["vfio_ids_in_force"]) == []
        )
    if expected.get("kvmfr_module_listed"):
        assert found.loaded_at_boot("kvmfr", line)
    if "modprobe-wrong-directory" in expected["problems"]:
        assert "wrong-directory" in [note.kind for note in found.notes("kvmfr")]


def test_changed_host_is_read_anew() -> None:
    host = build({"/etc/modprobe.d/a.conf": KVMFR.format(64)})
    other = changed(host, {"/etc/modprobe.d/a.conf": KVMFR.format(32)})
    assert (size(of(host))[0], size(of(other))[0]) == ("64", "32")
