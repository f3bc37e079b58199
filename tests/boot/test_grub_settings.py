"""GRUB's settings: what a shell makes of them, before and after an edit."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from support import hosts
from vfio_doctor.boot.backend import ArgumentEdit
from vfio_doctor.boot.grub import NEEDS_SHELL, Grub
from vfio_doctor.facts.base import CannotFix
from vfio_doctor.facts.boot.config import grub_words
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing
from vfio_doctor.model import FileStep
from vfio_doctor.parse.shell_faults import shell_faults

MAIN, CLOUD = "/etc/default/grub", "/etc/default/grub.d/50-cloudimg.cfg"
KEY = "GRUB_CMDLINE_LINUX_DEFAULT"
TOOL = {"/usr/sbin/update-grub": ""}
MENU = "menuentry 'a' {\n linux /vmlinuz-6.1 root=x ro quiet $extra\n}\n"

Files = dict[str, str]


def host_of(files: Files) -> CapturedHost:
    return hosts.build({**files, **TOOL})


def edited(files: Files, edit: ArgumentEdit) -> Files:
    steps = Grub().steps(host_of(files), edit)
    new = {s.path: s.after for s in steps if isinstance(s, FileStep)}
    return {
        path: (new.get(path) or text.encode()).decode() for path, text in files.items()
    }


def test_a_later_file_that_sets_the_variable_anew_gets_the_word() -> None:
    files = {MAIN: f'{KEY}="quiet"\n', CLOUD: f'{KEY}="console=tty1"\n'}
    assert Grub().read(host_of(files)) == ("console=tty1",)
    after = edited(files, ArgumentEdit(("console=tty1",), ("console=tty1", "b")))
    assert after == {MAIN: files[MAIN], CLOUD: f'{KEY}="console=tty1 b"\n'}


def test_a_later_file_that_extends_stays_as_it_is() -> None:
    files = {MAIN: f'{KEY}="quiet"\n', CLOUD: f'{KEY}="${KEY} crashkernel=1"\n'}
    before = Grub().read(host_of(files))
    assert before == ("quiet", "crashkernel=1")
    after = edited(files, ArgumentEdit(before, (*before, "b")))
    assert after == {MAIN: f'{KEY}="quiet b"\n', CLOUD: files[CLOUD]}


SHELL = f'{KEY}="quiet"\nif true; then {KEY}="$({KEY})"; fi'


def test_settings_that_need_a_shell_get_a_line_at_the_end() -> None:
    files = {MAIN: SHELL, "/boot/grub/grub.cfg": MENU}
    before = Grub().read(host_of(files))
    assert before == ("root=x", "ro", "quiet")
    after = edited(files, ArgumentEdit(before, (*before, "b")))
    assert after[MAIN] == f'{SHELL}\n{KEY}="${KEY} b"\n'
    with pytest.raises(CannotFix) as refusal:
        edited(files, ArgumentEdit(before, before[:2]))
    assert refusal.value.message.id == NEEDS_SHELL.id
    assert isinstance(Grub().read(host_of({MAIN: SHELL})), Missing)


def test_a_word_cut_by_a_continued_line() -> None:
    files = {MAIN: f'{KEY}="quiet iom\\\nmu=off \\\n  a"\n'}
    before = Grub().read(host_of(files))
    assert before == ("quiet", "iommu=off", "a")
    after = edited(files, ArgumentEdit(before, ("quiet", "a")))
    assert grub_words(host_of(after)) == ("quiet", "a")


PIECES = (
    "quiet",
    " ",
    "a=1",
    "\\\n",
    "b",
    f"${KEY}",
    f"${{{KEY}}}",
    "\t",
    "\n",
    "x.y=2",
)
OPENINGS = (
    f'{KEY}="',
    f'export {KEY}="',
    f"{KEY}='",
    'GRUB_CMDLINE_LINUX="',
    f'#{KEY}="',
)


def _file(chance: random.Random) -> str:
    text = ""
    for _ in range(chance.randint(1, 3)):
        opening = chance.choice(OPENINGS)
        text += opening + "".join(chance.choices(PIECES, k=chance.randint(0, 5)))
        text += opening[-1] + chance.choice(("\n", "\n", " # note\n", ";\n"))
        if opening.startswith("#"):
            text = text.replace("\\\n", "").rstrip() + "\n"
    return text


def _shell(folder: Path, files: Files) -> tuple[str, ...] | None:
    script = "set -e\n"
    for n, path in enumerate(sorted(files)):
        (folder / str(n)).write_text(files[path])
        script += f". {folder}/{n}\n"
    script += f'printf "%s" "$GRUB_CMDLINE_LINUX ${KEY}"'
    answer = subprocess.run(
        ["dash", "-c", script], capture_output=True, text=True, check=False
    )
    return tuple(answer.stdout.split()) if answer.returncode == 0 else None


@pytest.mark.slow
@pytest.mark.runs("dash")
@pytest.mark.skipif(shutil.which("dash") is None, reason="no dash")
def test_words_are_those_of_the_shell_before_and_after_an_edit(tmp_path: Path) -> None:
    chance, told = random.Random(3), 0
    for _ in range(100):
        files = {MAIN: _file(chance), CLOUD: _file(chance)}
        given = _shell(tmp_path, files)
        read = grub_words(host_of(files))
        if given is None or isinstance(read, Missing):
            continue
        told += 1
        assert read == given, files
        after = edited(files, ArgumentEdit(read, (*read, "new=1")))
        made = _shell(tmp_path, after)
        assert made is not None
        assert sorted(made) == sorted((*given, "new=1")), (files, after)
    assert told > 25


@pytest.mark.parametrize(
    "text",
    [
        f'{KEY}="quiet \\\n  iommu=off"\n',
        "GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n",
    ],
)
def test_what_debian_writes_is_no_fault(text: str) -> None:
    assert shell_faults(text, knows_plus=False) == ()
