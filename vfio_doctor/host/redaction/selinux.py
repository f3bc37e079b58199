"""SELinux labels: what a policy names is known, what a person has named is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names


# Of SELinux's reference policy.
_LABELS = frozenset(
    ("s0", "s0-s0", "c0.c1023", "unconfined_u", "object_r", "system_r", "system_u")
)

_CATEGORIES = re.compile(r"c\d{1,4}(?:[,.]c\d{1,4}){0,8}")


def label(text: str, names: Names) -> str:
    """Return an SELinux label: what a policy names, levels and all."""
    return ":".join(_label_part(part, names) for part in text.split(":"))


def _label_part(text: str, names: Names) -> str:
    from vfio_doctor.host.redaction.confinement import RECORDS
    from vfio_doctor.host.redaction.scrub import is_known

    stem = text.removesuffix("_t").removesuffix("_u").removesuffix("_r")
    plain = stem.replace("_", "-")
    known = is_known(plain) or text in _LABELS or text in RECORDS
    known = (known and not text.isdigit()) or bool(_CATEGORIES.fullmatch(text))
    return text if known else names.hidden(text)
