"""A translator's catalogue: made from the texts, kept up to date, checked, compiled.

A text whose English has changed keeps its translation, marked as fuzzy, as long as
its id is the same; it is not used until somebody has read it again.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from support.texts import Text
from vfio_doctor.language import CHINESE, DOMAIN, fields

LOCALE = Path(__file__).resolve().parents[2] / "vfio_doctor" / "locale"
POT = LOCALE / f"{DOMAIN}.pot"
PO = LOCALE / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.po"
MO = PO.with_suffix(".mo")
HEAD = "# The texts of vfio-doctor. Written by `scripts/catalogue --update`."
COMMAND = re.compile(r"`[^`]*`")
# What is typed or read as it is: options, paths.
AS_IT_IS = re.compile(
    r"(?<![\w-])--[a-z][\w-]*|(?<![\w.:/])/(?:dev|etc|sys|proc)/[\w/.-]*[\w/]"
)


class Plain(Catalog):
    """A catalogue whose head does not say when and by what it was written.

    Equal texts give equal bytes, whichever babel writes them.
    """

    @property  # type: ignore[misc, unused-ignore]
    def mime_headers(self) -> list[tuple[str, str]]:
        told = [("Project-Id-Version", DOMAIN)]
        if self.locale is not None:
            told += [("Language", CHINESE), ("Plural-Forms", self.plural_forms)]
        return [
            *told,
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]


def template(texts: Iterable[Text]) -> Plain:
    """Every text, without a translation."""
    made = Plain(header_comment=HEAD, fuzzy=False)
    for text in texts:
        made.add(text.english, "", [(text.place, 1)], context=text.context)
    return made


def updated(held: Catalog | None, texts: Iterable[Text]) -> Plain:
    """The catalogue for these texts, with what is translated already."""
    made = Plain(CHINESE, header_comment=HEAD, fuzzy=False)
    wanted = list(texts)
    keys = {text.key for text in wanted}
    old = {(m.context, m.id): m for m in held or () if m.id}
    lost = {m.context: m for key, m in old.items() if key not in keys}
    for text in wanted:
        known, fuzzy = old.get(text.key), False
        if known is None:
            known = lost.get(text.context)
            fuzzy = known is not None
        said = str(known.string) if known is not None else ""
        fuzzy = bool(said) and (fuzzy or (known is not None and known.fuzzy))
        made.add(
            text.english,
            said,
            [(text.place, 1)],
            ("fuzzy",) if fuzzy else (),
            context=text.context,
            previous_id=str(known.id) if fuzzy and known is not None else (),
        )
    return made


def read(path: Path = PO) -> Catalog | None:
    """The catalogue at ``path``, None if there is none yet."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        return read_po(file, CHINESE)


def written(made: Catalog) -> bytes:
    """A catalogue as a file for translators."""
    held = io.BytesIO()
    write_po(held, made, width=88, include_lineno=False, include_previous=True)
    return held.getvalue()


def compiled(made: Catalog) -> bytes:
    """A catalogue as gettext reads it; what is fuzzy is left out."""
    held = io.BytesIO()
    write_mo(held, made)
    return held.getvalue()


def faults(held: Catalog, texts: Iterable[Text]) -> Iterator[str]:
    """Say what is stale or broken; what is missing or fuzzy is counted apart."""
    keys = {text.key for text in texts}
    for one in held:
        if not one.id:
            continue
        where = f"{one.context}: {str(one.id)[:40]!r}"
        if (one.context, one.id) not in keys:
            yield f"{where}: stale"
        elif one.string and not one.fuzzy:
            yield from (
                f"{where}: {why}" for why in broken(str(one.id), str(one.string))
            )
    known = {(one.context, one.id) for one in held}
    yield from (
        f"{key[0]}: {key[1][:40]!r}: not in the catalogue" for key in keys - known
    )


def broken(english: str, said: str) -> Iterator[str]:
    """Say what a translation does not leave as it is."""
    if fields(english) != fields(said):
        yield f"fields {sorted(fields(english) ^ fields(said))}"
    for kind in (COMMAND, AS_IT_IS):
        ours, theirs = Counter(kind.findall(english)), Counter(kind.findall(said))
        if set(ours) != set(theirs):
            yield f"not as they are: {sorted(set(ours) ^ set(theirs))}"
    if english.strip() == english and said.strip() != said:
        yield "blanks at an end"


def missing(held: Catalog) -> list[str]:
    """The contexts of what has no translation, or a fuzzy one, which is not used."""
    return [str(m.context) for m in held if m.id and (m.fuzzy or not m.string)]


def files(texts: list[Text]) -> Iterator[tuple[Path, bytes]]:
    """Each file as it should be, by its path."""
    made = updated(read(), texts)
    yield POT, written(template(texts))
    yield PO, written(made)
    yield MO, compiled(made)


def wrong(
    made: dict[Path, bytes], texts: list[Text], allowed: int = 0
) -> Iterator[str]:
    """Say what keeps the catalogue from being right, a line each."""
    for path, data in made.items():
        if not path.exists() or path.read_bytes() != data:
            yield f"{path.name}: out of date; run scripts/catalogue --update"
    held = read()
    if held is None:
        return
    yield from faults(held, texts)
    lacking = missing(held)
    if len(lacking) > allowed:
        some = ", ".join(lacking[:5])
        yield f"{len(lacking)} are missing or fuzzy, {allowed} allowed: {some}"
