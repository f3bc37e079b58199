"""Run one command: fixed environment, closed input, outputs apart, a time limit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vfio_doctor.host import details
from vfio_doctor.host.commands import PATH
from vfio_doctor.host.reader import CommandResult, Missing, Why

if TYPE_CHECKING:
    import subprocess

# A kernel log of 4 MiB is the largest honest output (log_buf_len=4M).
OUTPUT_LIMIT = 4 << 20
CHUNK = 1 << 16
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
WHY = {PermissionError: Why.DENIED, FileNotFoundError: Why.ABSENT}


def run(path: str, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
    """Return how the program at ``path`` ended; what is not UTF-8 becomes U+FFFD.

    Past the time limit it is TIMED_OUT, past `OUTPUT_LIMIT` FAILED: half an
    answer could hide what a check looks for. Either way its whole process group
    is killed.
    """
    import subprocess

    source = " ".join(argv)
    try:
        child = subprocess.Popen(
            argv,
            executable=path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        why = WHY.get(type(error), Why.FAILED)
        return Missing(source, why, error.strerror or str(error))
    texts: tuple[str, str] | Missing = Missing(source, Why.FAILED, details.INTERRUPTED)
    try:
        texts = _outputs(child, source, seconds)
        if not isinstance(texts, Missing):
            return CommandResult(argv, child.wait(seconds), *texts)
    except subprocess.TimeoutExpired:
        texts = _too_late(source, seconds)
    finally:
        _end(child)
    return texts


def _outputs(
    child: subprocess.Popen[bytes], source: str, seconds: float
) -> tuple[str, str] | Missing:
    """Return both outputs once both are closed, or why they are not whole."""
    import select
    import time

    assert child.stdout
    assert child.stderr
    held = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    texts = tuple(held.values())
    poll = select.poll()
    for fd in held:
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + seconds
    while held:
        left = end - time.monotonic()
        ready = poll.poll(left * 1000) if left > 0 else []
        if not ready:
            return _too_late(source, seconds)
        for fd, _ in ready:
            part = os.read(fd, CHUNK)
            held[fd] += part
            if len(held[fd]) > OUTPUT_LIMIT:
                detail = f"printed more than {OUTPUT_LIMIT} bytes"
                return Missing(source, Why.FAILED, detail)
            if not part:
                poll.unregister(fd)
                del held[fd]
    return texts[0].decode("utf-8", "replace"), texts[1].decode("utf-8", "replace")


def _too_late(source: str, seconds: float) -> Missing:
    return Missing(
        source, Why.TIMED_OUT, details.NO_ANSWER.filled(seconds=f"{seconds:g}")
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Close the pipes; kill the group where the program has not ended by itself."""
    import signal
    import subprocess

    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()
    if child.returncode is None:
        # Not reaped yet, so nobody else can have got this group's number.
        try:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(1)
        except (subprocess.TimeoutExpired, OSError):
            # In uninterruptible sleep: the kernel ends it when it wakes.
            child.returncode = -signal.SIGKILL
