from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import corpus
from support.rows import for_each
from support.tools import found as path_of
from vfio_doctor.parse import modprobe
from vfio_doctor.parse.modprobe import Directive, Parameter

# What only a look at the host's devices can tell; the rules about devices do.
NEEDS_DEVICES = {"single-id", "binds-host-essential"}
# A doubled id in a line that is a comment anyway has no effect on the host.
WITHOUT_EFFECT = {"modprobe-037": {"duplicate-id"}}
# Its comment holds the word "ids" once more, without a value: the kernel refuses
# that with EINVAL. The record gives what comes before the comment.
COMMENT_REPEATS_A_NAME = "modprobe-049"
IN_INITRAMFS_LIST = "modprobe-029"

LINES = """\
options kvm-x a=1 \\
  b=2
# comment \\
options hidden a=1
  # indented
option foo a=1
options
options foo
options  tab\tx=1\ty=2
alias a-b c-d extra
softdep nvidia pre: vfio-pci post: x-y
install vfio-pci /bin/sh -c "a b"
blacklist i2c-x
foo\\bar x
options esc a=\\"x
include /etc
options a[1-2]-b x=1
"""


def records() -> list[Any]:
    found = corpus.records("modprobe.jsonl")
    return [pytest.param(r, id=r["id"]) for r in found if r["id"] != IN_INITRAMFS_LIST]


def _plain(name: str, parameter: Parameter) -> object:
    if name == "static_size_mb":
        return [int(part) for part in (parameter.value or "").split(",")]
    return (
        parameter.value.split(",")
        if name == "ids" and parameter.value
        else (parameter.value)
    )


@for_each("record", records())
def test_corpus_options(record: dict[str, Any]) -> None:
    file = modprobe.parse(record["text"])
    for module, wanted in record["expected"]["options"].items():
        found = file.parameters(module)
        if record["id"] == COMMENT_REPEATS_A_NAME:
            found = found[:1]
        given_ = {p.name: _plain(p.name, p) for p in found}
        assert given_ == wanted
    modules = {modprobe.module_name(name) for name in record["expected"]["options"]}
    assert set(file.modules("options")) == modules


@for_each("record", records())
def test_corpus_other_directives(record: dict[str, Any]) -> None:
    file, expected = modprobe.parse(record["text"]), record["expected"]
    name = modprobe.module_name
    assert list(file.modules("blacklist")) == expected.get("blacklist", [])
    softdeps = [modprobe.dependency(item) for item in file.of("softdep")]
    wanted = expected.get("softdep_pre", {})
    assert {dep.module: list(dep.pre) for dep in softdeps} == {
        name(module): [name(word) for word in words] for module, words in wanted.items()
    }
    install = {name(k): v for k, v in expected.get("install", {}).items()}
    assert {item.subject: item.rest for item in file.of("install")} == install


@for_each("record", records())
def test_corpus_problems(record: dict[str, Any]) -> None:
    path = record["file"].partition(" ")[0]
    found = {problem.kind for problem in modprobe.parse(record["text"]).problems}
    found |= {modprobe.location_problem(path)} - {""}
    expected = set(record["expected"].get("problems", [])) - NEEDS_DEVICES
    assert found == expected - WITHOUT_EFFECT.get(record["id"], set())


def test_as_kmod_reads_it() -> None:
    file = modprobe.parse(LINES)
    assert tuple(item._replace(raw="") for item in file.directives) == (
        Directive(1, "options", "kvm_x", "a=1   b=2"),
        Directive(9, "options", "tab", "x=1\ty=2"),
        Directive(10, "alias", "a_b", "c_d"),
        Directive(11, "softdep", "nvidia", "pre: vfio-pci post: x-y"),
        Directive(12, "install", "vfio_pci", '/bin/sh -c "a b"'),
        Directive(13, "blacklist", "i2c_x", ""),
        Directive(15, "options", "esc", 'a="x'),
        Directive(17, "options", "a[1-2]_b", "x=1"),
    )
    assert file.directives[0].raw == "options kvm-x a=1   b=2"
    assert [(p.line, p.kind) for p in file.problems] == [
        (5, "unknown-directive"),
        (6, "unknown-directive"),
        (7, "missing-words"),
        (8, "missing-words"),
        (14, "unknown-directive"),
        (15, "stray-quote"),
        (16, "not-read-any-more"),
    ]


@pytest.mark.needs_tool("modprobe")
@pytest.mark.runs("modprobe")
def test_kmod_itself_agrees(tmp_path: Path) -> None:
    tool = path_of("modprobe")
    assert tool
    path = tmp_path / "x.conf"
    path.write_text(LINES)
    # -c prints the configuration and loads nothing.
    argv = [tool, "-C", str(path), "-c"]
    out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    listed = [line.split() for line in out.splitlines()]
    for item in modprobe.parse(LINES).directives:
        if item.word != "softdep":  # kmod 30 prints those without a blank
            assert [item.word, item.subject, *item.rest.split()] in listed


@for_each(
    ("text", "expected"),
    [
        ("a=1 b", [("a", "1"), ("b", None)]),
        ('a="x y" b=2', [("a", "x y"), ("b", "2")]),
        ('"a=x y" b=2', [("a", "x y"), ("b", "2")]),
        ('a="x y b=2', [("a", "x y b=2")]),
        ("static-size-mb=64", [("static_size_mb", "64")]),
        ("a=b=c", [("a", "b=c")]),
        ("=1", [("", None)]),
        ("  ", []),
    ],
)
def test_parameters(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert list(modprobe.parameters(text)) == [Parameter(*pair) for pair in expected]


@for_each(
    ("line", "kinds"),
    [
        ("# options vfio-pci ids=1:2\n", ["commented-out"]),
        ("#softdep nvidia pre: vfio-pci\n", ["commented-out"]),
        ("# options for the gaming card\n", []),
        ("# blacklist the other driver\n", []),
        ("options a b=1 # why\n", ["trailing-comment"]),
        ('options a b="1\n', ["stray-quote"]),
        ("opions a b=1\n", ["unknown-directive"]),
    ],
)
def test_problems(line: str, kinds: list[str]) -> None:
    assert [problem.kind for problem in modprobe.parse(line).problems] == kinds


@for_each(
    ("path", "expected"),
    [
        ("/etc/modprobe.d/a.conf", ""),
        ("/usr/lib/modules-load.d/a.conf", ""),
        ("/etc/modprobe.d/a.con", "wrong-suffix"),
        ("/etc/modprobe/a.conf", "wrong-directory"),
        ("/etc/modules-load/a.conf", "wrong-directory"),
        ("/etc/initramfs-tools/modules", "wrong-file-kind"),
    ],
)
def test_location(path: str, expected: str) -> None:
    assert modprobe.location_problem(path) == expected


@given(st.text())
def test_never_raises(text: str) -> None:
    file = modprobe.parse(text)
    for item in file.of("softdep"):
        modprobe.dependency(item)
    modprobe.parameters(text)
    modprobe.location_problem(text)
    numbers = [item.line for item in file.directives]
    numbers += [problem.line for problem in file.problems]
    assert all(1 <= number <= text.count("\n") + 1 for number in numbers)


WORD = st.text("abcdefgh_0123456789", min_size=1, max_size=8)


@given(st.lists(st.tuples(WORD, WORD, WORD), max_size=6))
def test_what_is_written_is_read(options: list[tuple[str, str, str]]) -> None:
    text = "".join(f"options {m} {name}={value}\n" for m, name, value in options)
    file = modprobe.parse(text)
    assert not file.problems
    read = [(i.subject, *modprobe.parameters(i.rest)[0]) for i in file.directives]
    assert read == options
