"""Run one command: fixed environment, closed input, outputs apart, a time limit."""

from __future__ import annotations

from vfio_doctor.host.commands import PATH
from vfio_doctor.host.reader import CommandResult, Missing, Why

OUTPUT_LIMIT = 1 << 20


def run(path: str, argv: tuple[str, ...], seconds: float) -> CommandResult | Missing:
    """Return how the program at ``path`` ended; its whole group dies with the limit.

    More than 1 MiB of output is cut; what is not UTF-8 becomes U+FFFD.
    """
    import os
    import signal
    import subprocess
    import tempfile

    source = " ".join(argv)
    # Files, not pipes: a flood of output cannot block and is cut when read.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                argv,
                executable=path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={"PATH": PATH, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            return Missing(source, Why.FAILED, error.strerror or str(error))
        try:
            status = child.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return Missing(source, Why.TIMED_OUT, f"no answer in {seconds:g} s")
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(OUTPUT_LIMIT).decode("utf-8", "replace"))
    return CommandResult(argv, status, texts[0], texts[1])
