"""Why a reading has no value, in more detail: what live and captured hosts say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.model import Message

NOT_REGULAR = say("detail-not-regular", "not a regular file")
NOT_A_LINK = say("detail-not-a-link", "not a symbolic link")
NO_DEVICE = say("detail-no-device", "not a character device")
NOT_INSTALLED = say("detail-not-installed", "not installed")
NOT_HERE = say("detail-not-this-machine", "not this machine")
ODD_WORD = say("detail-odd-word", "an odd name, which no program is given")
INTERRUPTED = say("detail-interrupted", "interrupted")
TOO_LARGE = say("detail-too-large", "more than {count} bytes")
TOO_MANY = say("detail-too-many-names", "more than {count} names")
NOT_READ = say("detail-not-read-in", "not read in {seconds} s")
NO_ANSWER = say("detail-no-answer", "no answer in {seconds} s")

# What a folder that is none, or a link that is none, says of itself.
NOT_A_FOLDER = "not a folder"
# A reading that failed for these has been seen: it is another thing.
SETTLED = (NOT_REGULAR, NOT_A_LINK, NO_DEVICE, NOT_A_FOLDER)
# A capture keeps the English; these are known by it, and can be translated.
_KNOWN = {
    str(one): one
    for one in (
        NOT_REGULAR,
        NOT_A_LINK,
        NO_DEVICE,
        NOT_INSTALLED,
        NOT_HERE,
        ODD_WORD,
        INTERRUPTED,
    )
}


def from_text(text: str) -> str | Message:
    """Return the detail that a capture holds as text."""
    return _KNOWN.get(text, text)
