"""setup and teardown at a real terminal: safe defaults, and Ctrl-C changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from support import engine_trees as trees
from support import played_images
from support.at_terminal import SETUP, TEARDOWN, WHICH, host
from support.terminal import CTRL_C, ENTER, TESTS, started
from support.unbound_card import CARD, HOSTS_CARD

pytestmark = pytest.mark.runs("python", "sh")
IS_IT = "(amdgpu). Is that so? [y/N]: "
DO_IT, OTHERS = "Do this? [y/N]: ", "guides left, too? [y/N]: "
CTRL_D = b"\x04"
Keys = tuple[tuple[str, bytes], ...]
Things = dict[str, trees.Thing]


def things(root: Path) -> Things:
    found = trees.snapshot(root).items()
    left_out = (*played_images.NOT_COMPARED, "run", "var")
    return {path: thing for path, thing in found if not path.startswith(left_out)}


def typed(what: str, folder: Path, keys: Keys) -> tuple[int, str, list[str]]:
    """Answer each prompt; return the status, what was shown, and too wide lines."""
    words = ("support.at_terminal", what, str(folder))
    with started(*words) as (terminal, program):
        for prompt, answer in keys:
            terminal.until(prompt)
            terminal.type(answer)
        terminal.rest()
        return program.wait(), terminal.shown, terminal.wide


def in_a_whole_run(*row: object) -> ParameterSet:
    """Each starts Python at a terminal: of the prompts, the others show the like."""
    return pytest.param(*row, marks=pytest.mark.slow)


@pytest.fixture(name="before", scope="module")
def as_it_was(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Things]:
    found = {}
    for what in (SETUP, TEARDOWN):
        root = tmp_path_factory.mktemp(what)
        host(what, root)
        found[what] = things(root)
    return found


@pytest.mark.parametrize(
    ("what", "keys", "status"),
    [
        (SETUP, ((WHICH, CTRL_C),), 130),
        in_a_whole_run(SETUP, ((WHICH, b"1\n"), (DO_IT, CTRL_C)), 130),
        in_a_whole_run(SETUP, ((WHICH, b"1\n"), (DO_IT, ENTER)), None),
        in_a_whole_run(SETUP, ((WHICH, b"2\n"), (IS_IT, CTRL_C)), 130),
        in_a_whole_run(SETUP, ((WHICH, b"2\n"), (IS_IT, CTRL_D)), 130),
        in_a_whole_run(SETUP, ((WHICH, b"1\n"), (DO_IT, CTRL_D)), 130),
        in_a_whole_run(TEARDOWN, ((OTHERS, CTRL_D),), 130),
        (SETUP, ((WHICH, b"2\n"), (IS_IT, ENTER)), 1),
        in_a_whole_run(SETUP, ((WHICH, b"2\n"), (IS_IT, b"y\n"), (DO_IT, CTRL_C)), 130),
        # No number is taken for one.
        (
            SETUP,
            ((WHICH, ENTER), (WHICH, b"99\n"), (WHICH, b"y\n"), (WHICH, CTRL_D)),
            130,
        ),
        in_a_whole_run(TEARDOWN, ((OTHERS, CTRL_C),), 130),
        in_a_whole_run(TEARDOWN, ((OTHERS, ENTER), (DO_IT, CTRL_C)), 130),
        (TEARDOWN, ((OTHERS, ENTER), (DO_IT, ENTER)), 0),
        in_a_whole_run(TEARDOWN, ((OTHERS, b"y\n"), (DO_IT, ENTER)), 0),
    ],
)
def test_who_does_not_say_yes_changes_nothing(
    tmp_path: Path,
    before: dict[str, Things],
    what: str,
    keys: Keys,
    status: int | None,
) -> None:
    ended, shown, wide = typed(what, tmp_path, keys)
    assert things(tmp_path) == before[what]
    assert "Nothing was changed." in shown
    assert wide == []
    assert status in (None, ended)
    assert "Traceback" not in shown


def test_a_set_up_from_the_choice_to_the_end(tmp_path: Path) -> None:
    keys = ((WHICH, b"2\n"), (IS_IT, b"y\n"), (DO_IT, b"y\n"))
    ended, shown, wide = typed(SETUP, tmp_path, keys)
    assert ended == 0
    screen = f"The screen stays on HDMI-A-1 of {HOSTS_CARD} (amdgpu). Is that so?"
    assert screen in shown
    assert f"{HOSTS_CARD} is boot_vga: the firmware and the console use it." in shown
    assert wide == []
    rows = [line for line in shown.splitlines() if line.startswith("  2. ")]
    assert rows[0].startswith(f"  2. {CARD} + ")
    assert "resolved after reboot" in shown
    grub = (tmp_path / "etc/default/grub").read_text()
    assert "vfio-pci.ids=10de:2482,10de:228b" in grub


@pytest.mark.slow
def test_what_is_not_in_the_list_is_asked_for_again(tmp_path: Path) -> None:
    """A card may be named by its address; who has the other screen is told the way."""
    keys = ((WHICH, b"0\n"), (WHICH, b"0000:07:00.0\n"), (WHICH, f"{CARD}\n".encode()))
    ended, shown, wide = typed(SETUP, tmp_path, (*keys, (IS_IT, b"n\n")))
    assert ended == 1
    assert "0 is not in the list: a number from 1 to 3, please." in shown
    assert "0000:07:00.0 is not in the list" in shown
    assert "graphics card (VGA) (no: the firmware and the" in shown
    assert "Plug the screen into the card that is to stay with the host" in shown
    assert wide == []


def test_no_ctrl_c_is_lost_however_early_it_comes() -> None:
    words = [sys.executable, "-m", "support.hurried_ctrl_c"]
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    # A Ctrl-C in the middle of coverage leaves it locked for ever.
    env = {k: v for k, v in env.items() if not k.startswith("COV")}
    assert subprocess.run(words, cwd=TESTS, env=env, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "theirs"), [in_a_whole_run(b"n\n", True), (b"y\n", False)]
)
def test_what_others_left_is_asked_for_apart(
    tmp_path: Path, answer: bytes, theirs: bool
) -> None:
    keys = ((OTHERS, answer), (DO_IT, b"y\n"))
    ended, shown, wide = typed(TEARDOWN, tmp_path, keys)
    assert ended == 0, shown
    assert wide == []
    assert not (tmp_path / "etc/modprobe.d/vfio-doctor.conf").exists()
    assert (tmp_path / "etc/modprobe.d/vfio.conf").exists() is theirs
