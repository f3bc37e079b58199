"""A plain diagnosis is read without click: the same choice, the same errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor import __main__ as program
from vfio_doctor.app import plain, shared_options
from vfio_doctor.app.chosen import COMPLETE, PROGRAM, Chosen
from vfio_doctor.app.options import chosen_of
from vfio_doctor.cli import cli, status

ROOT = Path(__file__).resolve().parents[2]
SICK = str(catalogue.path("bluefin-dx-2121"))
WORDS = (
    *plain.FLAGS,
    *plain.VALUES,
    *(f"{name}=" for name in plain.VALUES),
    *(f"{name}=x,y" for name in plain.VALUES),
    *(
        "json",
        "text",
        "kvmfr",
        "always",
        "info",
        "a,b",
        ",",
        " a , ",
        "-",
        "",
        "ä\udce4",
    ),
    *("--", "-h", "-vvv", "-qv", "-ofile", "-o=file", "--form", "--fix", "--device"),
    *("checks", "--version", "--size", "64", "--no-such", "--format=json", "0:0"),
)


def by_click(words: list[str]) -> Chosen:
    with cli.make_context(PROGRAM, list(words)) as context:
        assert context.invoked_subcommand is None
        return chosen_of(context.params, shared_options.given(context))


@given(st.lists(st.sampled_from(WORDS), max_size=5))
def test_click_would_have_chosen_the_same(words: list[str]) -> None:
    read = plain.read(words)
    if read is not None:
        assert read == by_click(words)


@for_each("first", [*plain.FLAGS, *plain.VALUES])
def test_every_word_of_ours_is_one_of_click(first: str) -> None:
    choices = plain.VALUES.get(first, ("", ("x",)))[1] or ("x", "a,b", "-")
    for value in choices:
        for words in ([first, value], [f"{first}={value}"], [first]):
            read = plain.read(words)
            assert read is None or read == by_click(words), words


@for_each(
    "line",
    [
        "",
        "-v",
        "-q",
        "--format json",
        "--format=json -o report.json",
        "--capture bug.tar.gz --format markdown --no-redact",
        "--capture - --color never",
        "--select kvmfr,iommu-off --fail-on error",
        "--with kvmfr --user alice --debug",
    ],
)
def test_what_people_type_needs_no_click(line: str) -> None:
    words = line.split()
    assert plain.read(words) == by_click(words)


@for_each("line", ["--fix", "checks", "-h", "-q -v", "--format xml"])
def test_the_rest_is_for_click(line: str) -> None:
    assert plain.read(line.split()) is None


def test_completion_is_for_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETE, "bash_complete")
    assert plain.read([]) is None


@pytest.mark.parametrize(
    "line",
    [
        "--select no-such-rule",
        "--select iommu-off --skip iommu",
        "--capture /no/such/file",
        "--user root --capture SICK",
        "-o /no/such/folder/r --capture SICK",
        "--format lines --capture SICK",
    ],
)
def test_the_answer_is_that_of_click(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [SICK if word == "SICK" else word for word in line.split()]
    assert plain.read(words) is not None
    theirs = status(words), capsys.readouterr()
    assert (program._status(words), capsys.readouterr()) == theirs


def test_a_fault_of_our_own_is_told_as_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(chosen: Chosen) -> int:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr("vfio_doctor.app.printed.run", broken)
    assert program._status([]) == 70
    assert "internal error: ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.runs("python")
def test_neither_click_nor_typing_is_imported() -> None:
    # Whatever runs at the start of this Python may have imported more than we do.
    code = (
        "import sys\n"
        "for name in ('typing', 'click'): sys.modules.pop(name, None)\n"
        "from vfio_doctor import __main__ as program\n"
        "program._hurry()\n"
        f"program._status(['--format', 'json', '--capture', {SICK!r}])\n"
        "left = 'click' in sys.modules or 'Protocol' in vars(sys.modules['typing'])\n"
        "sys.stderr.write(str(left))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == "False"


def test_click_knows_our_choices() -> None:
    held = {p.name: p for p in cli.params}
    for option, (name, choices) in plain.VALUES.items():
        own = {"format": "format_"}.get(name, name)
        kind = held[own].type
        found = tuple(kind.choices) if isinstance(kind, click.Choice) else ()
        assert found == choices, option
