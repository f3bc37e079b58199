"""Whether a file can be replaced as we do it, known before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.host.reader import Kind, Missing, ProbeResult
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message

FILE = "file"
A_LINK = say(
    "path-is-link-to",
    "{path} is a symbolic link to {target}, and only regular files are changed: make "
    "the change by hand in what it points to",
)
SWITCHED_OFF = say(
    "path-is-link-to-nothing",
    "{path} is a symbolic link to /dev/null, by which somebody has switched that file"
    " off: if it is to count, run `sudo rm {path}`, then --fix again",
)
FOLDER_IS_LINK = say(
    "path-behind-link",
    "{path} lies behind {folder}, a symbolic link to {target}, and no link is "
    "followed: make the change by hand",
)
NOT_REGULAR = say(
    "path-not-regular", "{path} is not a regular file, and only those are changed"
)
# By what the probe answers.
REASONS = {
    "immutable": say(
        "path-immutable",
        "{path} is immutable: run `sudo chattr -i {path}` first if it may be changed",
    ),
    "append_only": say(
        "path-append-only",
        "{path} is append-only: run `sudo chattr -a {path}` first if it may be changed",
    ),
    "read_only": say("path-read-only", "{path} is on a read-only file system"),
}
MOUNTED = say(
    "path-mounted-over",
    "something is mounted on {path}, so it cannot be replaced: change what is mounted "
    "there by hand",
)
LINKED = say(
    "path-has-links",
    "{path} has {count} names (hard links), and replacing it would part them: make the "
    "change by hand",
)


def why_not(host: Reader, path: str) -> Message | None:
    """Return what keeps ``path`` from being replaced or made; None: nothing seen."""
    parts = path.strip("/").split("/")
    folder = "/"
    for n in range(1, len(parts)):
        here = "/" + "/".join(parts[:n])
        found = host.lstat(here)
        if isinstance(found, Missing):
            return _attributes(host, folder)
        if found.kind is Kind.LINK:
            said = {"path": path, "folder": here, "target": found.target}
            return FOLDER_IS_LINK.filled(**said)
        folder = here
    return _attributes(host, folder) or _of_file(host, path)


def _of_file(host: Reader, path: str) -> Message | None:
    found = host.lstat(path)
    if isinstance(found, Missing):
        return None
    if found.kind is Kind.LINK and found.target == "/dev/null":
        return SWITCHED_OFF.filled(path=path)
    if found.kind is Kind.LINK:
        return A_LINK.filled(path=path, target=found.target)
    if found.kind is not Kind.FILE:
        return NOT_REGULAR.filled(path=path)
    asked = host.probe(FILE, path)
    if isinstance(asked, ProbeResult) and asked.value("mounted"):
        return MOUNTED.filled(path=path)
    links = asked.value("links") if isinstance(asked, ProbeResult) else None
    if links and links > 1:
        return LINKED.filled(path=path, count=links)
    return _attributes(host, path)


def _attributes(host: Reader, path: str) -> Message | None:
    asked = host.probe(FILE, path)
    if isinstance(asked, Missing):
        return None
    found = (text for name, text in REASONS.items() if asked.value(name))
    said = next(found, None)
    return None if said is None else said.filled(path=path)
