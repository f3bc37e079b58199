"""os-release(5): assignments that a shell could read."""

from __future__ import annotations

_ESCAPED = '"$`\\'


def parse(text: str) -> dict[str, str]:
    """Return the assignments by name, quotes and escapes taken off; never raises."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.strip().partition("=")
        if equals and name and not name.startswith("#"):
            found[name] = _value(value)
    return found


def _value(raw: str) -> str:
    quote = raw[:1]
    if quote not in ("'", '"'):
        return raw
    inner = raw[1:].removesuffix(quote)
    if quote == "'":
        return inner
    out, n = "", 0
    while n < len(inner):
        if inner[n] == "\\" and inner[n + 1 : n + 2] in (*_ESCAPED,):
            n += 1
        out += inner[n]
        n += 1
    return out
