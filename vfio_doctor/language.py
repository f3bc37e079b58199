"""The language that a person is spoken to in: English, unless another was chosen.

Texts are looked up where they are printed, and nowhere before. A catalogue
(``locale/zh_CN/LC_MESSAGES/vfio-doctor.mo``) is asked by the id of a text as context
and the English as key: what it lacks, or fills with other fields, stays English.
Nothing of this is imported or read in English.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO, ParamSpec, Protocol, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

    class Catalogue(Protocol):
        """What is asked of a catalogue: gettext's, or a test's."""

        def pgettext(self, context: str, message: str, /) -> str:
            """Return the translation, or the message itself."""


ENGLISH = "en"
CHINESE = "zh_CN"
LANGUAGES = (ENGLISH, CHINESE)
DOMAIN = "vfio-doctor"
# The first sign of Chinese and its punctuation.
WIDE = "\u2e80"
# The context of click's own words.
CLICK = "click"
# What people write for these, without encoding and modifier.
SPELT = {
    "c": ENGLISH,
    "posix": ENGLISH,
    "en": ENGLISH,
    "zh": CHINESE,
    "zh_cn": CHINESE,
    "zh_sg": CHINESE,
    "zh_hans": CHINESE,
    "zh_hans_cn": CHINESE,
}
# What every encoding for the language has a sign for.
SAMPLE = {CHINESE: "\u76f4\u901a"}
CANNOT_PRINT = (
    "vfio-doctor: the encoding here ({encoding}) cannot show {language}, so this is "
    "English. LC_ALL=C.UTF-8 may help."
)


class _Spoken:
    """The one catalogue in use; None for English."""

    catalogue: Catalogue | None = None


def spoken(name: str, template: str) -> str:
    """Return a text in the chosen language; ``name`` is its id."""
    held = _Spoken.catalogue
    return template if held is None else _looked_up(held, name, template)


def tag() -> str:
    """Return the language's name for HTML."""
    return "en" if is_english() else "zh-CN"


def is_english() -> bool:
    """Tell whether texts are as they stand in the source."""
    return _Spoken.catalogue is None


def _looked_up(catalogue: Catalogue, name: str, template: str) -> str:
    found = catalogue.pgettext(name, template)
    return found if fields(found) == fields(template) else template


def listed(most: list[str], last: str) -> str:
    """Return "a, b and c" as it is said; what the items hold is not read again."""
    comma = spoken("list-comma", "{one}, {next}").removeprefix("{one}")
    first, end = spoken("list-and", "{most} and {last}").split("{last}")
    joined = comma.removesuffix("{next}").join(most)
    return f"{joined}{first.removeprefix('{most}')}{last}{end}"


def closed_up(before: str, text: str, after: str) -> tuple[str, str]:
    """Return what stands before a value, and the value with what follows.

    Chinese parts Latin words from its own by blanks, and its own words by nothing.
    """
    if _Spoken.catalogue is not None and text:
        if before[-1:] == " " and before[-2:-1] >= WIDE and text[0] >= WIDE:
            before = before[:-1]
        if after[:1] == " " and after[1:2] >= WIDE and text[-1] >= WIDE:
            after = after[1:]
    return before, f"{text}{after}"


def fields(template: str) -> frozenset[str]:
    """Return the names between braces."""
    closed = (part.partition("}") for part in template.split("{")[1:])
    return frozenset(
        n for n, end, _ in closed if end and n.split("!")[0].isidentifier()
    )


def speak(catalogue: Catalogue | None) -> None:
    """Use a catalogue from now on; None is English."""
    _Spoken.catalogue = catalogue


class english:  # noqa: N801
    """Let all inside be English: what programs read, and what is compared.

    contextlib is dear to import.
    """

    def __enter__(self) -> None:
        """Keep the language for later."""
        self._held = _Spoken.catalogue
        _Spoken.catalogue = None

    def __exit__(self, *_: object) -> None:
        """Speak it again."""
        _Spoken.catalogue = self._held


def in_english(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function run in English: one that makes what programs read."""

    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        if _Spoken.catalogue is None:
            return function(*args, **kwargs)
        with english():
            return function(*args, **kwargs)

    inside.__name__, inside.__doc__ = function.__name__, function.__doc__
    return inside


def choose_for(arguments: Sequence[str]) -> None:
    """Speak the language that was asked for, and say so if it cannot be shown."""
    import os
    import sys

    unshown = choose(arguments, os.environ, sys.stdout)
    if unshown and sys.stderr:
        print(unshown, file=sys.stderr)


def choose(
    arguments: Sequence[str], environ: Mapping[str, str], stream: IO[str] | None
) -> str:
    """Speak the language that was asked for; return what to tell the person of it.

    That is "" unless ``stream`` cannot show it.
    """
    wanted = asked(arguments) or of_environment(environ)
    speak(None)
    if wanted == ENGLISH:
        return ""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        SAMPLE[wanted].encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return CANNOT_PRINT.format(encoding=encoding, language=wanted)
    speak(load(wanted))
    tell_gettext()
    return ""


def tell_gettext() -> None:
    """Let click find its own words in our catalogue: it asks gettext for them.

    It would look for files, and there are none in an archive.
    """
    import gettext

    def one(domain: str, message: str) -> str:
        return spoken(CLICK, message)

    def several(domain: str, msgid1: str, msgid2: str, n: int) -> str:
        return spoken(CLICK, msgid1 if n == 1 else msgid2)

    gettext.dgettext = one
    gettext.dngettext = several


def asked(arguments: Sequence[str]) -> str:
    """Return the language of ``--language``, "" if none was named."""
    found = ""
    for at, word in enumerate(arguments):
        if word == "--":
            break
        if word == "--language":
            found = "".join(arguments[at + 1 : at + 2])
        elif word.startswith("--language="):
            found = word.partition("=")[2]
    return known(found)


def of_environment(environ: Mapping[str, str]) -> str:
    """Return the language of the environment, as gettext finds it.

    A locale that is ``C`` or ``POSIX`` wins over LANGUAGE; English is the last word.
    """
    locale = next(
        (held for n in ("LC_ALL", "LC_MESSAGES", "LANG") if (held := environ.get(n))),
        "",
    )
    if locale in ("C", "POSIX"):
        return ENGLISH
    words = environ.get("LANGUAGE", "").split(":") + [locale]
    return next((name for word in words if (name := known(word))), ENGLISH)


def known(word: str) -> str:
    """Return our name of a language however it is spelt, "" if we do not have it."""
    bare = word.partition(".")[0].partition("@")[0].replace("-", "_").lower()
    return SPELT.get(bare) or (ENGLISH if bare.startswith("en_") else "")


def load(language: str) -> Catalogue | None:
    """Return the catalogue of a language, from a folder or an archive."""
    from gettext import GNUTranslations
    from io import BytesIO
    from pkgutil import get_data

    try:
        held = get_data(__package__, f"locale/{language}/LC_MESSAGES/{DOMAIN}.mo")
    except OSError:
        # An installation may leave languages out.
        return None
    try:
        return GNUTranslations(BytesIO(held)) if held else None
    except Exception:
        # Cut short or damaged, in one of many ways: English is whole.
        return None
