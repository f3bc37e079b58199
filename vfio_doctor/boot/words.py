"""What an edit takes away and adds, as exact words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import CannotFix
from vfio_doctor.messages import say

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit

AFTER_DASHES = say(
    "boot-words-after-dashes",
    "the kernel arguments contain `--` and {tool} would write after it; add by hand "
    "before it: {words}",
)


def removed(edit: ArgumentEdit) -> tuple[str, ...]:
    """Return the words of ``before`` that ``after`` lacks, one for each occurrence."""
    return _minus(edit.before, edit.after)


def added(edit: ArgumentEdit) -> tuple[str, ...]:
    """Return the words of ``after`` that ``before`` lacks, one for each occurrence."""
    return _minus(edit.after, edit.before)


def lacking(edit: ArgumentEdit, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return what an edit adds that stands in ``words`` less often than after it."""
    there, after = Counter(words), Counter(edit.after)
    return tuple(w for w in dict.fromkeys(added(edit)) if there[w] < after[w])


def staying(edit: ArgumentEdit, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return what an edit takes out that stands in ``words`` more often than after."""
    there, after = Counter(words), Counter(edit.after)
    return tuple(w for w in dict.fromkeys(removed(edit)) if there[w] > after[w])


def refuse_init_part(edit: ArgumentEdit, tool: str) -> None:
    """Raise `CannotFix` where words for init follow a ``--``.

    Tools that append would put a kernel argument behind it, where init gets it.
    """
    if "--" in edit.before:
        raise CannotFix(AFTER_DASHES.filled(tool=tool, words=" ".join(added(edit))))


def take(words: list[str], word: str) -> bool:
    """Take one occurrence of a word off the list; tell whether it was there."""
    if word not in words:
        return False
    words.remove(word)
    return True


def _minus(words: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    left = Counter(others)
    lacking: list[str] = []
    for word in words:
        if left[word]:
            left[word] -= 1
        else:
            lacking.append(word)
    return tuple(lacking)
