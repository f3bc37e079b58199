"""Limine's menu: which entry boots by default, with what words.

Reference: CONFIG.md of Limine 8 and later (``limine.conf``).
"""

from __future__ import annotations

from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple


class LimineEntry(NamedTuple):
    """One line of the menu; a folder has no options of a kernel."""

    title: str
    options: dict[str, str]

    @property
    def kernel(self) -> str:
        """Return the path of the kernel, "" where the entry has none."""
        return self.options.get("path") or self.options.get("kernel_path", "")

    @property
    def arguments(self) -> str | None:
        """Return the kernel's arguments as written, None where there are none."""
        return self.options.get("cmdline", self.options.get("kernel_cmdline"))


class LimineMenu(NamedTuple):
    """The options of the menu, and its lines as they are first shown."""

    options: dict[str, str]
    shown: tuple[LimineEntry, ...]


def menu(text: str) -> LimineMenu:
    """Return the menu; entries inside of closed folders are left out."""
    options: dict[str, str] = {}
    shown: list[LimineEntry] = []
    closed_below = 0
    held = options
    for line in text.split("\n"):
        body = line.strip()
        if body.startswith("/"):
            title = body.lstrip("/")
            depth = len(body) - len(title)
            held = {}
            if closed_below and depth > closed_below:
                continue
            closed_below = 0 if title.startswith("+") else depth
            shown.append(LimineEntry(title.removeprefix("+").strip(), held))
            continue
        key, colon, value = body.partition(":")
        if colon and not body.startswith("#"):
            held[key.strip().lower()] = value.strip()
    return LimineMenu(options, tuple(shown))


def default(found: LimineMenu) -> LimineEntry | None:
    """Return the entry that boots, None where the text does not say.

    ``default_entry`` counts the lines of the menu from one; with
    ``remember_last_entry`` the last choice counts, which is not written here.
    """
    if found.options.get("remember_last_entry") == "yes":
        return None
    number = whole(found.options.get("default_entry", "1"), 4)
    if number is None:
        return None
    return found.shown[number - 1] if 0 < number <= len(found.shown) else None
