"""Lasting choices from a configuration file: ``user``, ``skip`` and ``with``.

/etc/vfio-doctor.toml is the administrator's, ~/.config/vfio-doctor.toml the
person's; the person's keys win, and the command line wins over both. They are about
this machine: a capture is judged without them.
"""

from __future__ import annotations

import os
import stat
from errno import ELOOP, ENOTDIR
from typing import TYPE_CHECKING

from vfio_doctor.app.chosen import AREAS
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.app.chosen import Chosen
    from vfio_doctor.app.failure import Failure
    from vfio_doctor.model import Message

LEFT_OUT = say("settings-left-out", "Left out by the configuration file: {checks}")
NO_LINK = say("settings-no-link", "{path}: not used: root follows no link here")
NOT_USED = say("settings-not-used", "{path}: not used: {why}")
SYSTEM = "/etc/vfio-doctor.toml"
NAME = "vfio-doctor.toml"
LARGEST = 1 << 16
KEYS = ("user", "skip", "with")


class Source(NamedTuple):
    """A configuration file: its folder, its name there, and who has to own it."""

    folder: str
    name: str
    owner: int

    @property
    def path(self) -> str:
        """Return the whole path."""
        return os.path.join(self.folder, self.name)


def with_settings(chosen: Chosen, where: list[Source] | None = None) -> Chosen:
    """Return the choice, with what the files say where the person said nothing."""
    if chosen.capture is not None:
        return chosen
    held: dict[str, object] = {}
    for source in sources() if where is None else where:
        data = _read(source)
        if data is not None:
            held.update(_parsed(data, source.path))
    if not held:
        return chosen
    skip = chosen.skip or tuple(_names(held.get("skip", [])))
    if skip and not chosen.skip:
        # What nobody sees left out would be taken for judged.
        _tell(LEFT_OUT.filled(checks=", ".join(skip)))
    return chosen._replace(
        user=chosen.user or str(held.get("user", "")),
        skip=skip,
        areas=chosen.areas or tuple(_names(held.get("with", []))),
    )


def sources() -> list[Source]:
    """Return where to look, the weaker first.

    Under sudo or pkexec the person's own file counts, not root's.
    """
    found = [Source("/etc", NAME, 0)]
    uid = os.geteuid()
    if uid == 0:
        from vfio_doctor.host.rights import caller

        person = caller()
        if person is None:
            return found
        import pwd

        try:
            home = pwd.getpwuid(person[0]).pw_dir
        except KeyError:
            return found
        return [*found, Source(f"{home}/.config", NAME, person[0])]
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.expanduser("~/.config")
    return [*found, Source(folder, NAME, uid)]


def _read(source: Source) -> bytes | None:
    """Return what a file holds, None if there is none.

    Root reads what others name, so nothing is followed, and the file has to be
    theirs: the content of another's file could come out in an error message.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    flags |= os.O_NOFOLLOW if os.geteuid() == 0 else 0
    try:
        folder = _opened_folder(source.folder)
        try:
            number = os.open(source.name, flags, dir_fd=folder)
        finally:
            os.close(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        _tell_of_unread(source, error)
        return None
    with open(number, "rb") as file:
        _refuse_others(os.fstat(number), source)
        return file.read(LARGEST)


def _tell_of_unread(source: Source, error: OSError) -> None:
    """Say that a file was left alone; a folder that is none needs no word."""
    if os.path.islink(source.folder) or os.path.islink(source.path):
        _tell(NO_LINK.filled(path=source.path))
    elif error.errno not in (ELOOP, ENOTDIR):
        _tell(NOT_USED.filled(path=source.path, why=str(error.strerror)))


def _opened_folder(path: str) -> int:
    """Open the folder; below a home, root follows no link to it."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    flags |= os.O_NOFOLLOW if os.geteuid() == 0 else 0
    return os.open(path, flags)


def _refuse_others(held: os.stat_result, source: Source) -> None:
    why = ""
    if not stat.S_ISREG(held.st_mode):
        why = "it is not a regular file"
    elif held.st_uid not in (0, source.owner) or (
        os.geteuid() == 0 and held.st_uid != source.owner
    ):
        why = "it belongs to somebody else"
    elif held.st_mode & 0o022:
        why = "others may write to it (chmod go-w)"
    elif held.st_size >= LARGEST:
        why = "it is too large"
    if why:
        raise _failure(f"{source.path}: not used: {why}")


def _parsed(data: bytes, path: str) -> dict[str, object]:
    import tomllib

    try:
        held = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _failure(f"{path}: not a TOML file: {error}") from error
    for key, value in held.items():
        if key not in KEYS:
            known = ", ".join(KEYS)
            raise _failure(f"{path}: unknown key {key!r}; known are {known}")
        good = isinstance(value, str) if key == "user" else _is_names(value)
        if not good:
            kind = "a text" if key == "user" else "a list of texts"
            raise _failure(f"{path}: {key} has to be {kind}")
    unknown = set(_names(held.get("with", []))) - set(AREAS)
    if unknown:
        raise _failure(f"{path}: with: unknown area {sorted(unknown)[0]!r}")
    return held


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v for v in value)


def _names(value: object) -> list[str]:
    return value if isinstance(value, list) else []


def _failure(said: str) -> Failure:
    from vfio_doctor.app.failure import Failure

    return Failure(said, 2)


def _tell(said: Message) -> None:
    import click

    click.echo(str(said), err=True)
