"""Edit the words of ``KEY="…"`` lines in shell-like configuration files.

`/etc/default/grub`, `/etc/default/grub.d/*.cfg` and `/etc/default/limine` are
read by a shell. Only the words asked for change: every other byte of the file,
quotes, comments and odd spacing included, stays.
"""

from __future__ import annotations

from vfio_doctor.value import NamedTuple

LONGEST = 1 << 14
CONTINUED = "\\\n"
_ESCAPED_IN_DOUBLE = '"\\$`'


class Piece(NamedTuple):
    """A word of a value as the file spells it, and what the shell makes of it.

    ``meaning`` is None where a variable or command substitution stands in it.
    """

    source: str
    meaning: str | None


class Assignment(NamedTuple):
    """One assignment. ``start`` and ``end`` span the value with its quotes.

    ``quote`` is ``"``, ``'`` or "" (no quotes); ``whole`` is false where the
    value is put together from several quoted parts, which is not edited.
    """

    key: str
    operator: str
    start: int
    end: int
    quote: str
    inner: str
    whole: bool

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Return the value's words."""
        return tuple(
            Piece(source, _meaning(source, self.quote))
            for source in _split(self.inner, self.quote)
            if not _blank(source)
        )

    @property
    def words(self) -> tuple[str, ...] | None:
        """Return what the value's words mean, None where only a shell can tell."""
        if not self.whole:
            return None
        meanings = [piece.meaning for piece in self.pieces]
        known = [meaning for meaning in meanings if meaning is not None]
        return tuple(known) if len(known) == len(meanings) else None

    @property
    def extends(self) -> bool:
        """Tell whether the value keeps what the variable held before."""
        return self.operator == "+=" or any(p.source in self._own for p in self.pieces)

    def value(self, own: str) -> str | None:
        """Return the value as the shell sees it, None where only a shell can tell.

        ``own`` is what the variable itself held before. None too for a value that
        is longer than any kernel takes: a file may double it with each line.
        """
        if not self.whole:
            return None
        found: list[str] = []
        size = 0
        for source in _split(self.inner, self.quote):
            is_own = self.quote != "'" and source in self._own
            meaning = own if is_own else _meaning(source, self.quote)
            if meaning is None or (size := size + len(meaning)) > LONGEST:
                return None
            found.append(meaning)
        return "".join(found)

    @property
    def _own(self) -> tuple[str, str]:
        return f"${self.key}", f"${{{self.key}}}"


def assignments(text: str, key: str) -> tuple[Assignment, ...]:
    """Return every active assignment of ``key`` in the order of the file."""
    found: list[Assignment] = []
    position = 0
    while position < len(text):
        end = _line_end(text, position)
        start = position
        while start < end and text[start] in " \t":
            start += 1
        if text.startswith("export ", start):
            start += len("export ")
        for operator in ("+=", "="):
            head = key + operator
            if text.startswith(head, start):
                found.append(_assignment(text, key, operator, start + len(head)))
                end = _line_end(text, max(end, found[-1].end))
                break
        position = end + 1
    return tuple(found)


def edited(text: str, found: Assignment, remove: tuple[str, ...], add: str) -> str:
    """Return the text with words taken from, and ``add`` put behind, one value.

    ``remove`` names words by meaning; each takes out one occurrence. ``add`` is
    "" or words with spaces between. Raises ValueError for a value put together
    from several quoted parts.
    """
    if not found.whole:
        raise ValueError(f"{found.key}: a value of several quoted parts")
    quote, sources = found.quote, _split(found.inner, found.quote)
    for word in remove:
        sources = _without(sources, word, quote)
    if not quote and (add or len(sources) > 1):
        quote, sources = '"', [escaped(word, '"') for word in sources]
    body = "".join(sources)
    if add:
        head, dashes, init = body.partition(" -- ")
        gap = "" if not head or head[-1].isspace() else " "
        body = f"{head}{gap}{escaped(add, quote)}{dashes}{init}"
    return f"{text[: found.start]}{quote}{body}{quote}{text[found.end :]}"


def appended(text: str, key: str, words: str, extend: bool) -> str:
    """Return the text with one more assignment of ``key`` as its last line.

    ``extend`` keeps what the lines before have set.
    """
    before = f"${key} " if extend else ""
    gap = "" if not text or text.endswith("\n") else "\n"
    return f'{text}{gap}{key}="{before}{escaped(words, chr(34))}"\n'


def _without(sources: list[str], word: str, quote: str) -> list[str]:
    for n, source in enumerate(sources):
        if not _blank(source) and _meaning(source, quote) == word:
            rest = sources[:n] + sources[n + 1 :]
            if n < len(rest):
                del rest[n]
            elif rest:
                rest.pop()
            return rest
    return sources


def _assignment(text: str, key: str, operator: str, start: int) -> Assignment:
    quote = text[start] if text[start : start + 1] in ('"', "'") else ""
    end = _segment_end(text, start)
    first = end
    while end < len(text) and text[end] not in " \t\n;#":
        end = _segment_end(text, end)
    inner = text[start + len(quote) : first - len(quote)]
    closed = not quote or (first - start >= 2 and text[first - 1] == quote)
    whole = end == first and closed and not (not quote and "\\" in inner)
    return Assignment(key, operator, start, end, quote, inner, whole)


def _segment_end(text: str, start: int) -> int:
    """Return where the quoted or bare part that begins at ``start`` ends."""
    opening = text[start : start + 1]
    position = start
    if opening in ('"', "'"):
        position += 1
        while position < len(text) and text[position] != opening:
            skip = opening == '"' and text[position] == "\\"
            position += 2 if skip else 1
        return min(position + 1, len(text))
    while position < len(text) and text[position] not in " \t\n;\"'":
        position += 2 if text[position] == "\\" else 1
    return min(position, len(text))


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _split(inner: str, quote: str) -> list[str]:
    """Split into words and the blanks between; kernel quotes keep a word whole."""
    parts: list[str] = []
    start, n, quoted, was_blank = 0, 0, False, False
    while n < len(inner):
        char = inner[n]
        pair = inner[n : n + 2]
        if quote == '"' and char == "\\" and len(pair) == 2:
            quoted ^= pair == '\\"'
            char = pair
        elif quote == "'" and char == '"':
            quoted = not quoted
        # The shell takes a continued line's end out, in the middle of a word too.
        blank = _blank(char) and not quoted
        if char == CONTINUED and n > start:
            blank = was_blank
        if n > start and was_blank != blank:
            parts.append(inner[start:n])
            start = n
        was_blank = blank
        n += len(char)
    return [*parts, inner[start:]] if start < n else parts


def _blank(source: str) -> bool:
    return not source.replace(CONTINUED, "").strip()


def _meaning(source: str, quote: str) -> str | None:
    if quote == "'":
        return source
    out: list[str] = []
    n = 0
    while n < len(source):
        char = source[n]
        if char in "$`":
            return None
        if source[n : n + 2] == CONTINUED:
            n += 2
            continue
        if char == "\\" and source[n + 1 : n + 2] in (*_ESCAPED_IN_DOUBLE,):
            n += 1
            char = source[n]
        out.append(char)
        n += 1
    return "".join(out)


def escaped(words: str, quote: str) -> str:
    """Return words as they stand between two ``quote``s."""
    if quote == "'":
        return words.replace("'", "'\\''")
    out = ""
    for char in words:
        out += f"\\{char}" if char in _ESCAPED_IN_DOUBLE else char
    return out
