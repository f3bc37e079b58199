"""The configuration file: what it may say, and whose it has to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.click_runner import runner
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.failure import Failure
from vfio_doctor.app.settings import LARGEST, NAME, Source, sources, with_settings
from vfio_doctor.cli import cli

ROOT = pytest.mark.needs_root


def written(folder: Path, text: str, mode: int = 0o644) -> list[Source]:
    path = folder / NAME
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return [Source(str(folder), NAME, os.geteuid())]


def test_what_the_command_line_says_comes_first(tmp_path: Path) -> None:
    text = 'user = "alice"\nskip = ["kvmfr"]\nwith = ["kvmfr"]\n'
    there = written(tmp_path, text)
    plain = with_settings(Chosen(), there)
    assert (plain.user, plain.skip, plain.areas) == ("alice", ("kvmfr",), ("kvmfr",))
    said = with_settings(Chosen(user="bob", skip=("iommu-off",)), there)
    assert (said.user, said.skip) == ("bob", ("iommu-off",))
    captured = Chosen(capture="x")
    assert with_settings(captured, there) == captured


def test_what_is_left_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_settings(Chosen(), written(tmp_path, 'skip = ["kvmfr"]\n'))
    assert "Left out by the configuration file: kvmfr" in capsys.readouterr().err


def test_the_later_file_wins(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = written(tmp_path / "a", 'user = "alice"\nskip = ["iommu-off"]\n')
    second = written(tmp_path / "b", 'user = "bob"\n')
    held = with_settings(Chosen(), [*first, *second])
    assert (held.user, held.skip) == ("bob", ("iommu-off",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("usr = 'x'", "unknown key 'usr'; known are user, skip, with"),
        ("user = 1", "user has to be a text"),
        ("skip = 'x'", "skip has to be a list of texts"),
        ("with = ['kvmfr', 'x']", "unknown area 'x'"),
        ("user", "not a TOML file"),
        ("x=" + "[" * 5000, "not a TOML file"),
        ("#" * LARGEST, "too large"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Failure) as failure:
        with_settings(Chosen(), written(tmp_path, text))
    assert said in failure.value.message
    assert NAME in failure.value.message
    assert failure.value.exit_code == 2


def test_what_others_may_write_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="others may write"):
        with_settings(Chosen(), written(tmp_path, "", 0o666))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(Failure, match="not a regular file"):
        with_settings(Chosen(), [Source(str(tmp_path), NAME, os.geteuid())])


def test_no_file_no_settings(tmp_path: Path) -> None:
    there = [Source(str(tmp_path), NAME, 0), Source(str(tmp_path / "no"), NAME, 0)]
    assert with_settings(Chosen(), there) == Chosen()


@ROOT
@pytest.mark.parametrize("link", ["file", "folder"])
def test_root_follows_no_link(
    tmp_path: Path, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real").mkdir()
    written(tmp_path / "real", 'user = "alice"\n')
    if link == "file":
        (tmp_path / NAME).symlink_to(tmp_path / "real" / NAME)
        there = Source(str(tmp_path), NAME, 0)
    else:
        (tmp_path / "config").symlink_to(tmp_path / "real")
        there = Source(str(tmp_path / "config"), NAME, 0)
    assert with_settings(Chosen(), [there]) == Chosen()
    assert "root follows no link here" in capsys.readouterr().err


@ROOT
def test_root_reads_only_the_persons_own(tmp_path: Path) -> None:
    written(tmp_path, "secret of root")
    with pytest.raises(Failure) as failure:
        with_settings(Chosen(), [Source(str(tmp_path), NAME, 65533)])
    assert "somebody else" in failure.value.message
    assert "secret" not in failure.value.message


@ROOT
def test_under_sudo_the_persons_home_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert [s.path for s in sources()][1:] == ["/usr/sbin/.config/vfio-doctor.toml"]
    assert sources()[1].owner == 1
    monkeypatch.delenv("SUDO_UID")
    monkeypatch.delenv("PKEXEC_UID", raising=False)
    assert [s.path for s in sources()] == ["/etc/vfio-doctor.toml"]


def test_a_run_that_is_not_about_this_machine_reads_none(tmp_path: Path) -> None:
    written(tmp_path, "broken")
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert runner().invoke(cli, ["checks"], env=environ).exit_code == 0
