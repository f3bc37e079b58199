"""What each version of systemd makes of a udev rule: the one place that knows."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

# SYSTEM_UID_MAX as distributions build systemd (login.defs SYS_UID_MAX).
SYSTEM_ID_MAX = 999
# The point release from which a major version takes people's lines again.
PEOPLE_AGAIN = {258: 5, 259: 2}
# The rules that act on the tag uaccess.
SEAT_LATE = "73-seat-late.rules"


class Systemd(NamedTuple):
    """A version of systemd, with its point release if that is known."""

    major: int
    point: int | None = None

    def __str__(self) -> str:
        """Return ``257`` or ``257.3``."""
        return str(self.major) if self.point is None else f"{self.major}.{self.point}"

    def at_least(self, major: int, point: int = 0) -> bool:
        """Tell whether it is this release or a later one."""
        return (self.major, self.point or 0) >= (major, point)

    @property
    def knows_ignore_case(self) -> bool:
        """Tell whether a value may have the prefix ``i``."""
        return self.at_least(257)

    @property
    def drops_unknown_names(self) -> bool:
        """Tell whether a line is dropped whose owner or group does not exist.

        Earlier versions leave out that one assignment.
        """
        return self.at_least(258)

    @property
    def drops_people(self) -> bool | None:
        """Tell whether a line is dropped whose owner or group is not a system one.

        Only early releases of 258 and 259 do (systemd/systemd#36123, #40612); None
        where the point release that decides it is not known.
        """
        takes_again = PEOPLE_AGAIN.get(self.major)
        if takes_again is None:
            return False
        return None if self.point is None else self.point < takes_again

    @property
    def warns_of_people(self) -> bool:
        """Tell whether such a line works and its end is announced."""
        return self.at_least(258) and self.drops_people is False

    @property
    def means_people_well(self) -> bool:
        """Tell whether such a line works like any other."""
        return not self.at_least(258)

    @property
    def ignores_late_tags(self) -> bool:
        """Tell whether ``uaccess`` is without effect if it is set too late.

        Earlier versions act on it from the next login on.
        """
        return self.at_least(258)


def read_version(text: str) -> Systemd | None:
    """Return the version that a text starts with, None where it is none.

    In ``258 (258.10-1.fc43)`` the package's version has the point release.
    """
    major, point = _numbers(text)
    if not major:
        return None
    again, packaged = _numbers(text.partition(" (")[2])
    return Systemd(major, packaged if point is None and again == major else point)


def _numbers(text: str) -> tuple[int, int | None]:
    head = text[: len(text) - len(text.lstrip("0123456789."))]
    major, _, rest = head.partition(".")
    point = rest.partition(".")[0]
    return (
        int(major) if 0 < len(major) < 6 else 0,
        int(point) if 0 < len(point) < 6 else None,
    )


def is_system(number: int) -> bool:
    """Tell whether systemd takes a uid or gid for a system account's."""
    return 0 <= number <= SYSTEM_ID_MAX


def is_too_late(path: str) -> bool:
    """Tell whether a rule file is read after those that act on ``uaccess``."""
    return path.rpartition("/")[2] >= SEAT_LATE
