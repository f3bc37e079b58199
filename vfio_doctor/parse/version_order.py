"""The order of versions in systemd and its boot loader.

Reference: the Version Format Specification of the UAPI group, which
``systemd-analyze compare-versions`` and systemd-boot follow.
"""

from __future__ import annotations

import re

# In this order: a part that only one of two versions has decides.
_SEPARATORS = "-^."
_TOKEN = re.compile(r"[~^._-]|[0-9]+|[A-Za-z]+")
_OTHERS = re.compile(r"[^~^.0-9A-Za-z-]+")
_OTHER = "_"


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1 as ``one`` is older than, equal to or newer than ``other``.

    All characters but ASCII letters, digits and ``~^.-`` are passed over. Digits
    compare as a number and come after letters; ``~`` is before everything, the
    end included; a longer version is newer.
    """
    ours = _TOKEN.findall(_OTHERS.sub(_OTHER, one))
    theirs = _TOKEN.findall(_OTHERS.sub(_OTHER, other))
    at = to = 0
    while True:
        at, to = at + (_token(ours, at) == _OTHER), to + (_token(theirs, to) == _OTHER)
        mine, his = _token(ours, at), _token(theirs, to)
        if "~" in (mine, his):
            if mine != his:
                return -1 if mine == "~" else 1
            at, to = at + 1, to + 1
        if at >= len(ours) or to >= len(theirs):
            return (at < len(ours)) - (to < len(theirs))
        for separator in _SEPARATORS:
            mine, his = _token(ours, at), _token(theirs, to)
            if separator in (mine, his):
                if mine != his:
                    return -1 if mine == separator else 1
                at, to = at + 1, to + 1
        mine, his = _token(ours, at), _token(theirs, to)
        decided = _compare_parts(mine, his)
        if decided:
            return decided
        at, to = at + _is_word(mine), to + _is_word(his)


def _token(tokens: list[str], at: int) -> str:
    return tokens[at] if at < len(tokens) else ""


def _is_word(token: str) -> bool:
    return token.isalnum()


def _compare_parts(mine: str, his: str) -> int:
    if mine[:1].isdigit() or his[:1].isdigit():
        if not (mine[:1].isdigit() and his[:1].isdigit()):
            return 1 if mine[:1].isdigit() else -1
        one, other = mine.lstrip("0"), his.lstrip("0")
        return _sign((len(one), one), (len(other), other))
    return _sign(_letters(mine), _letters(his))


def _letters(token: str) -> str:
    return token if token.isalpha() else ""


def _sign(one: tuple[int, str] | str, other: tuple[int, str] | str) -> int:
    return (one > other) - (one < other)  # type: ignore[operator]
