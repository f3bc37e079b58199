"""Faults of the kernel itself: strace injects, a disk is full or read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import engine_faults as faults
from support import engine_trees as trees
from vfio_doctor.repair.resume import undo_run
from vfio_doctor.repair.syscalls import Filesystem

DRIVER = Path(__file__).resolve().parents[1] / "support" / "engine_driver.py"
CALLS = (
    "fsync",
    "write",
    "renameat",
    "linkat",
    "unlinkat",
    "mkdirat",
    "fchmod",
    "fsetxattr",
    "flock",
)
WAYS = ("error=EIO", "error=ENOSPC", "error=EROFS", "error=EACCES", "signal=KILL")


@pytest.fixture(name="folder")
def memory_folder() -> Iterator[Path]:
    with faults.quick_folder() as where:
        yield where


def driven(root: Path, *before: str, what: str = "apply") -> tuple[int, str]:
    argv = [*before, sys.executable, "-S", str(DRIVER), what, str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout or done.stderr


def injected(root: Path, call: str, way: str, at: int) -> tuple[int, str, bool]:
    """Repair with the kernel failing the N-th call; tell whether it was reached."""
    log = root.parent / "strace.log"
    rules = ("-e", f"trace={call}", "-e", f"inject={call}:{way}:when={at}")
    code, said = driven(root, "strace", "-s0", "-o", str(log), *rules)
    text = log.read_text()
    return code, said, "(INJECTED)" in text or "killed by SIGKILL" in text


def usable_strace(folder: Path) -> str:
    probe = faults.fresh(folder, -1)
    code, said, _ = injected(probe, "fsync", "error=EIO", 10_000)
    return "" if code == 0 and "DONE" in said else f"needs strace to trace: {said}"


@pytest.mark.slow
@pytest.mark.needs_tool("strace")
@pytest.mark.runs("strace", "python")
@pytest.mark.parametrize("way", WAYS)
def test_the_kernel_fails_a_call_of_the_unchanged_program(
    folder: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    why = usable_strace(folder)
    if why:
        pytest.skip(why)
    known = faults.trial(folder, lambda r, _: driven(r))
    tally = faults.Tally()
    stride = 1 if os.environ.get("CI") == "true" else 9
    for call in CALLS:
        at, reached = 1, True
        while reached:
            root = faults.fresh(folder, tally.tried + 1)
            _, said, reached = injected(root, call, way, at)
            tally.look(root, known.before, known.after)
            check(root, said, known, (call, way, at))
            shutil.rmtree(root)
            at += stride
    with capsys.disabled():
        print("\n" + tally.line(f"strace {way}"))
    assert (tally.torn, tally.unreadable) == (0, 0)


def check(root: Path, said: str, known: faults.Trial, where: object) -> None:
    now = trees.snapshot(root)
    ending = said.split(" ")[0]
    if ending == "REFUSED":
        assert now == known.before, where
    elif ending == "ROLLED_BACK" and faults.open_run(root) is None:
        assert {**now, **missing_node(known, now)} == known.before, where
    if faults.open_run(root) is not None:
        undo_run(trees.machine(root))
        after = trees.snapshot(root)
        assert {**after, **missing_node(known, after)} == known.before, where
        assert faults.open_run(root) is None, where


def missing_node(known: faults.Trial, now: faults.Tree) -> faults.Tree:
    return {} if "dev/kvmfr0" in now else {"dev/kvmfr0": known.before["dev/kvmfr0"]}


MOUNTED = """
set -e
mount -t tmpfs -o size=64m tmpfs {root}
{python} {driver} make {root}
{trouble}
cp -a {root} {before}
{python} {driver} apply {root}
diff -r --exclude=var --exclude=filler {before} {root} && echo SAME
"""


@pytest.mark.needs_root
@pytest.mark.needs_tool("unshare")
@pytest.mark.runs("unshare")
@pytest.mark.parametrize(
    ("trouble", "ending"),
    [
        pytest.param(
            "cat /dev/zero > {root}/etc/filler 2>/dev/null || true",
            "REFUSED",
            id="disk full",
        ),
        pytest.param(
            "mkdir -p {root}/var/lib/vfio-doctor/journal; "
            "mount -t tmpfs -o mode=0755 tmpfs {root}/var/lib/vfio-doctor; "
            "cat /dev/zero > {root}/etc/filler 2>/dev/null || true",
            "ROLLED_BACK",
            id="disk full, journal elsewhere",
        ),
        pytest.param(
            "mount --bind {root}/etc {root}/etc; mount -o remount,bind,ro {root}/etc",
            "ROLLED_BACK",
            id="etc is read-only",
        ),
        pytest.param(
            "mkdir -p {root}/var; mount --bind {root}/var {root}/var; "
            "mount -o remount,bind,ro {root}/var",
            "REFUSED",
            id="var is read-only",
        ),
        pytest.param(
            "mount --bind {root}/sys {root}/sys; mount -o remount,bind,ro {root}/sys",
            "DONE",
            id="sys is read-only",
        ),
    ],
)
def test_a_real_disk_that_is_full_or_read_only(
    tmp_path: Path, trouble: str, ending: str
) -> None:
    root, before = tmp_path / "root", tmp_path / "before"
    root.mkdir()
    script = MOUNTED.format(
        root=str(root),
        before=before,
        python=sys.executable,
        driver=DRIVER,
        trouble=trouble.format(root=root),
    )
    argv = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode and done.stderr.startswith("unshare: "):
        pytest.skip("needs mount namespaces, which this machine refuses")
    assert f"{ending} " in done.stdout, (done.stdout, done.stderr)
    assert ("SAME" in done.stdout) == (ending != "DONE"), done.stdout


@pytest.mark.runs("python")
def test_two_repairs_at_once_make_one(folder: Path) -> None:
    root = faults.fresh(folder, 1)
    argv = [sys.executable, "-S", str(DRIVER), "apply", str(root)]
    pair = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in "12"]
    said = sorted(child.communicate()[0].split(" ")[0].strip() for child in pair)
    # One that planned after the other had finished finds nothing that it expects.
    assert "DONE" in said
    assert said[1 - said.index("DONE")] in ("REFUSED", "")
    undo_run(trees.machine(root, Filesystem(str(root))))
    fresh = faults.fresh(folder, 2)
    was = trees.snapshot(fresh)
    was.pop("dev/kvmfr0")
    assert trees.snapshot(root) == was
