"""Write a file that must be new: whole or not at all, for one person's eyes."""

from __future__ import annotations

import os


def owner_of_output() -> tuple[int, int] | None:
    """Return the uid and gid of who called sudo or pkexec, None without them."""
    if os.geteuid() != 0:
        return None
    for variable in ("SUDO_UID", "PKEXEC_UID"):
        text = os.environ.get(variable, "")
        if text.isascii() and text.isdigit() and 0 < int(text[:10]) < 1 << 32:
            return int(text), _group(int(text))
    return None


def _group(uid: int) -> int:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return -1


def write_new(path: str, data: bytes, owner: tuple[int, int] | None) -> None:
    """Write ``data`` with mode 0600; raises OSError, also where ``path`` is there.

    The file appears under its name only when it is whole. Nothing is followed or
    replaced: in a folder that others write to, a link may be a trap.
    """
    folder, name = os.path.split(path)
    scratch = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    _write(scratch, data, owner)
    try:
        try:
            os.link(scratch, path, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            # File systems without hard links: vfat, some network shares.
            _write(path, data, owner)
    finally:
        os.unlink(scratch)


def _write(path: str, data: bytes, owner: tuple[int, int] | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    number = os.open(path, flags, 0o600)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            if owner is not None:
                os.fchown(number, *owner)
            os.fsync(number)
    except BaseException:
        os.unlink(path)
        raise
