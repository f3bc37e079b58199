"""Why a capture is not read, or not written: the file, and the reason."""

from __future__ import annotations

from vfio_doctor.messages import say

NO_FILE = say("capture-no-file", "{name}: neither a folder nor a file; give a capture")
UNREADABLE = say("capture-unreadable", "{name}: {why}; give a capture that can be read")
NO_PATH = say("capture-no-path", "{name}: {why}; give a path")
ANOTHER_PLACE = say("capture-another-place", "{name}: {why}; choose another place")
NOT_EMPTY = say(
    "capture-not-empty", "{name}: not empty; name a folder that is not there"
)
NO_TAR = say(
    "capture-no-tar",
    "{name}: not a whole tar.gz of a capture: {why}; ask for the file to be attached "
    "again",
)
DAMAGED = say(
    "capture-damaged",
    "{name}: damaged or changed by hand ({kind}: {why}); ask for the file to be "
    "attached again",
)
NO_MANIFEST = say(
    "capture-no-manifest",
    "{name}: no manifest.json in it: not a capture; give the file or folder that "
    "vfio-doctor bug-report wrote",
)
OTHER_SCHEMA = say(
    "capture-other-schema",
    "{name}: its schema is {schema}, this version reads {ours}; use the vfio-doctor "
    "that wrote it, or a newer one",
)
TOO_LARGE = say("capture-too-large", "{name}: larger than any capture of a host")
TOO_MANY_RECORDS = say(
    "capture-too-many-records", "{name}: holds more records than any host has"
)
TOO_MANY_MEMBERS = say("capture-too-many-members", "{name}: more than {count} members")
LARGE_MEMBER = say(
    "capture-large-member", "{name}: {member} is larger than a capture may hold"
)
LARGE_FILE = say("capture-large-file", "{name}: {member} is larger than {mib} MiB")
TWICE = say("capture-member-twice", "{name}: {member} is in it twice")
BAD_NAME = say(
    "capture-bad-name", "{name}: a member has a name that is not allowed: {member}"
)
NO_NAME = say("capture-no-name", "{name}: a file in it has no name")
NO_PLAIN_FILE = say(
    "capture-no-plain-file",
    "{name}: {member} is neither file nor folder; a capture holds no links and no "
    "devices: take it away or get a new copy",
)
NO_LINES = say(
    "capture-no-lines", "{name}: the text has no first or no whole last line"
)
LARGE_SECTION = say(
    "capture-large-section", "{name}: a section is larger than a capture may hold"
)
OUT_OF_ORDER = say(
    "capture-out-of-order",
    "{name}: the section {member} does not stand in alphabetic order; "
    "docs/capture-format.md says how it should",
)
ODD_HEAD = say(
    "capture-odd-head",
    "{name}: the section {member} has a first line that says nothing known; "
    "docs/capture-format.md says how it should",
)
LONG_SECTION = say(
    "capture-long-section",
    "{name}: the section {member} is larger than {mib} MiB; docs/capture-format.md "
    "says how it should",
)
MISSPELT = say(
    "capture-misspelt",
    "{name}: the section {member} is not spelt as vfio-doctor writes it; "
    "docs/capture-format.md says how it should",
)
# Of the archive around it.
BEHIND_ARCHIVE = say(
    "tar-behind-archive", "there is something behind the archive's end"
)
BEHIND_DATA = say("tar-behind-data", "there is something behind the compressed data")
TOO_EARLY = say("tar-too-early", "it ends too early")
UNPACKS_LARGE = say("tar-unpacks-large", "it unpacks to far more than a capture holds")
LARGE_IN_TAR = say(
    "tar-large-member", "a member of {size} bytes is larger than any captured one"
)
TWO_NAMES = say("tar-two-names", "a member has two long names")
NOT_PLAIN = say("tar-not-plain", "{member} is not a plain file")
NO_END = say("tar-no-end", "the archive has no end")
BAD_HEADER = say("tar-bad-header", "a header is damaged")
NOT_OCTAL = say("tar-not-octal", "a header has a number that is not octal")
CUT_MEMBER = say("tar-cut-member", "a member ends too early")
BAD_PAX = say("tar-bad-pax", "a pax header is damaged")
CHANGING_PAX = say("tar-changing-pax", "a pax header changes how files are to be read")
