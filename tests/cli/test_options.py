"""Every option, before and after every command, is honoured or refused."""

from __future__ import annotations

import click
import pytest

from support.click_runner import runner
from support.effort import mostly_slow
from support.fixture_hosts import catalogue
from support.rows import for_each
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.shared_options import CARRIED, Command
from vfio_doctor.cli import COMMANDS, cli

SICK = str(catalogue.path("bluefin-dx-2121"))
# A value that is not the default, for each option that takes one.
VALUES = {
    "size_mib": "64",
    "access": "group",
    "user": "alice",
    "select": "iommu-off",
    "skip": "iommu-off",
    "areas": "kvmfr",
    "devices": "0000:01:00.0",
    "format_": "json",
    "output": "/nowhere/at/all",
    "fail_on": "info",
    "capture": SICK,
    "color": "always",
}
# What a command has to be given besides.
ARGUMENTS = {
    "completion": ["bash"],
    "diff": [SICK, SICK],
    "explain": ["iommu-off", "--here"],
    "fixture": ["name", SICK],
    "setup": ["looking-glass"],
    "teardown": ["looking-glass"],
    "triage": [SICK],
}
# What stands anywhere and is no command's business.
ANYWHERE = ("version", "debug", "language")
PARAMETERS = [p for p in cli.params if p.name not in ANYWHERE]


def found(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


@for_each("name", COMMANDS)
def test_every_command_goes_by_the_rule(name: str) -> None:
    assert isinstance(found(name), Command)


@pytest.mark.parametrize("side", mostly_slow(["before", "after"], 2))
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_honoured_or_refused(
    name: str, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for parameter in PARAMETERS:
        with monkeypatch.context() as patch:
            is_honoured_or_refused(name, parameter, side, patch)


def is_honoured_or_refused(
    name: str, parameter: click.Parameter, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: dict[str, object] = {}

    # What the command would have run with; the command itself would repair or undo.
    def record(*_: object, **values: object) -> None:
        chosen = click.get_current_context().obj
        assert isinstance(chosen, Chosen)
        got.update(chosen._asdict())
        got.update(values)

    command = found(name)
    monkeypatch.setattr(command, "callback", record)
    option = max(parameter.opts, key=len)
    assert parameter.name is not None
    words = [option, *([VALUES[parameter.name]] if parameter.name in VALUES else [])]
    rest = ARGUMENTS.get(name, [])
    line = [*words, name, *rest] if side == "before" else [name, *rest, *words]
    result = runner().invoke(cli, line)
    own = {p.name for p in command.params if isinstance(p, click.Option)}
    if parameter.name in own and "Invalid value" not in result.stderr:
        assert result.exit_code == 0, result.stderr
        assert str(VALUES.get(parameter.name, True)) in str(got[parameter.name])
    else:
        assert result.exit_code == 2
        assert option in result.stderr or "does not take" in result.stderr
        assert not got


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_the_language_may_stand_anywhere(
    name: str, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[dict[str, object]] = []
    monkeypatch.setattr(found(name), "callback", lambda *_, **v: called.append(v))
    words, rest = ["--language", "zh_CN"], [name, *ARGUMENTS.get(name, [])]
    result = runner().invoke(cli, words + rest if side == "before" else rest + words)
    assert result.exit_code == 0, result.stderr
    assert "language" not in called[0]
    words = ["--language", "tlh"]
    result = runner().invoke(cli, words + rest if side == "before" else rest + words)
    assert result.exit_code == 2
    assert "zh_CN" in result.stderr


def test_what_is_carried_is_an_option() -> None:
    assert set(CARRIED) <= {p.name for p in cli.params}


@for_each(
    ("words", "said"),
    [
        ("--size 64", "--size needs --fix"),
        ("--access auto", "--access needs --fix"),
        ("--iommu-pt", "--iommu-pt needs --fix"),
        ("--ignore-msrs", "--ignore-msrs needs --fix"),
        ("--yes", "--yes needs --fix"),
        ("--fix --dry-run --ignore-msrs", "--ignore-msrs needs --risky"),
        ("--fix --format lines", "no place for a plan"),
        ("--fix", "cannot be repaired"),
        ("explain iommu-off", "need --here"),
    ],
)
def test_an_option_without_the_one_it_needs(words: str, said: str) -> None:
    result = runner().invoke(cli, ["--capture", SICK, *words.split()])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_the_later_one_wins() -> None:
    lines = ["--format", "text", "--capture", "/nowhere", "devices", "--capture", SICK]
    result = runner().invoke(cli, [*lines, "--format", "json"])
    assert result.exit_code == 0
    assert result.stdout.startswith("{")


@for_each(
    ("words", "said"),
    [
        (["fix"], "`sudo vfio-doctor --fix`"),
        (["report"], "`vfio-doctor bug-report`"),
        (["help", "undoo"], "Did you mean 'undo'?"),
    ],
)
def test_what_was_meant(words: list[str], said: str) -> None:
    result = runner().invoke(cli, words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_other_spellings() -> None:
    def shown(*words: str) -> str:
        result = runner().invoke(cli, words)
        assert result.exit_code == 0
        return result.stdout

    assert shown("explain", "IOMMU-OFF") == shown("explain", "iommu-off")
    assert shown("-V") == shown("--version")
    assert shown("help") == shown("--help")
    assert shown("help", "undo") == shown("undo", "--help")
    area = shown("explain", "kvmfr")
    assert "kvmfr-rule-owner: " in area
    assert "iommu-off" not in area


def test_a_line_for_each_check() -> None:
    result = runner().invoke(cli, ["--capture", SICK, "--format", "lines"])
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert "FAIL    iommu-off: The kernel has put no device" in result.stdout
    assert any(line.startswith("PASS    ") for line in lines)
    assert all(line[:8].strip().isupper() and line[7] == " " for line in lines)


@for_each(
    "words", [("--user", ""), ("--user=",), ("setup", "passthrough", "--user", " ")]
)
def test_an_empty_name_is_nobody(words: tuple[str, ...]) -> None:
    """What an empty variable of a script would leave of ``--user "$NAME"``."""
    result = runner().invoke(cli, list(words))
    assert result.exit_code == 2
    assert "name who will run the VM" in result.stderr
