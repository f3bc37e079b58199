"""Boot entries on disk: which one boots next, and with what words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.boot.stack import ENTRIES, GRUB_MENUS, LIMINE_MENUS
from vfio_doctor.host.reader import CONFIG_BYTES, Missing, Why, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse import bls, grub
from vfio_doctor.parse.cmdline import words
from vfio_doctor.parse.whole_number import whole
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.staged_deployment import StagedDeployment

STAGED = "/run/ostree/staged-deployment"
RPM_OSTREE_KARGS = ("rpm-ostree", "kargs")
OSTREE_ENTRIES = "/boot/loader/entries/ostree-*.conf"
GRUBENVS = ("/boot/grub/grubenv", "/boot/grub2/grubenv")
# Set by GRUB's own scripts where grubenv lacks it: the entry does not say all.
KERNELOPTS = "$kernelopts"
IN_PROGRAM = say(
    "boot-entry-in-program", "it starts a program that holds its arguments"
)
NOT_IN_GRUBENV = say("boot-variable-not-in-grubenv", "grubenv does not have it")
STAGED_SILENT = say("staged-without-arguments", "it does not tell its arguments")
EXIT_STATUS = say("boot-tool-exit-status", "exit status {status}")
NO_KERNEL = say("grub-entry-no-kernel", "its entry {name} loads no kernel")
LIMINE_SILENT = say("limine-no-default", "it does not tell the default entry")


class Entry(NamedTuple):
    """The entry that boots next: where it is written, kernel file, words."""

    source: str
    kernel: str
    words: tuple[str, ...]


def bls_entry(host: Reader, path: str | Missing) -> Entry | Missing:
    """Return one Boot Loader Specification entry, GRUB's variables put in."""
    if isinstance(path, Missing):
        return path
    text = read_text(host, path, CONFIG_BYTES)
    if isinstance(text, Missing):
        return text
    held = bls.entry(text)
    if bls.starts_program(held):
        return Missing(path, Why.FAILED, IN_PROGRAM)
    given = _expanded(host, words(held.get("options", "")))
    if isinstance(given, Missing):
        return given
    return Entry(path, held.get("linux", ""), given)


def _expanded(host: Reader, given: tuple[str, ...]) -> tuple[str, ...] | Missing:
    """Put in what grubenv says; a variable that it lacks is empty to GRUB."""
    if not any(word.startswith("$") for word in given):
        return given
    environment = _environment(host)
    if isinstance(environment, Missing):
        return environment
    found: list[str] = []
    for word in given:
        if not word.startswith("$"):
            found.append(word)
        elif (value := environment.get(word.strip("${}"))) is not None:
            found.extend(words(value))
        elif word == KERNELOPTS:
            return Missing(word, Why.FAILED, NOT_IN_GRUBENV)
    return tuple(found)


def _environment(host: Reader) -> dict[str, str] | Missing:
    """Return GRUB's variables, none where it keeps none."""
    for path in GRUBENVS:
        text = read_text(host, path, CONFIG_BYTES)
        if isinstance(text, str):
            return grub.environment(text)
        if text.why is not Why.ABSENT:
            return text
    return {}


def newest_ostree_entry(host: Reader) -> tuple[str, dict[str, str]] | Missing:
    """Return the path and keys of the ostree entry with the highest version.

    That one boots next: ostree writes the version so (ostree-sysroot-deploy.c).
    """
    paths = host.glob(OSTREE_ENTRIES)
    if isinstance(paths, Missing):
        return paths
    newest: tuple[int, str, dict[str, str]] | None = None
    for path in paths:
        text = read_text(host, path, CONFIG_BYTES)
        if isinstance(text, Missing):
            return text
        held = bls.entry(text)
        number = whole(held.get("version", "")) or 0
        if newest is None or number > newest[0]:
            newest = (number, path, held)
    return newest[1:] if newest else Missing(OSTREE_ENTRIES, Why.ABSENT)


def staged_deployment(host: Reader) -> StagedDeployment | Missing:
    """Return what ostree makes a boot entry of at the next shutdown.

    ABSENT where nothing is staged, FAILED where the file does not say it.
    """
    data = host.read_bytes(STAGED)
    if isinstance(data, Missing):
        return data
    from vfio_doctor.parse.staged_deployment import parse

    return parse(data) or Missing(STAGED, Why.FAILED, STAGED_SILENT)


def grubby_default_entry(host: Reader) -> str | Missing:
    """Return the path of the entry that Fedora's GRUB boots by default.

    grubenv's ``next_entry`` counts once, ``saved_entry`` until it is changed;
    each is the name of an entry or its place in the menu, the newest first.
    """
    paths = host.glob(f"{ENTRIES}/*.conf")
    if isinstance(paths, Missing):
        return paths
    if not paths:
        return Missing(ENTRIES, Why.ABSENT)
    environment = _environment(host)
    if isinstance(environment, Missing):
        return environment
    menu = sorted(paths, key=lambda path: bls.version_key(_id(path)), reverse=True)
    name = environment.get("next_entry") or environment.get("saved_entry") or "0"
    place = whole(name, 4)
    if place is not None:
        return menu[place] if place < len(menu) else menu[0]
    return next((path for path in menu if _id(path) == name), menu[0])


def _id(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".conf")


def rpm_ostree_kargs(host: Reader) -> tuple[str, ...] | Missing:
    """Ask rpm-ostree for the default deployment's words, a staged one first."""
    answer = host.run(RPM_OSTREE_KARGS)
    if isinstance(answer, Missing):
        return answer
    if answer.status or not answer.stdout.strip():
        why = answer.stderr.strip() or EXIT_STATUS.filled(status=answer.status)
        return Missing(" ".join(RPM_OSTREE_KARGS), Why.FAILED, why)
    return words(answer.stdout)


def grub_menu_entry(host: Reader) -> Entry | Missing:
    """Return the default entry of GRUB's menu."""
    for path in GRUB_MENUS:
        text = read_text(host, path, 4 << 20)
        if isinstance(text, Missing):
            if text.why is Why.ABSENT:
                continue
            return text
        environment = _environment(host)
        if isinstance(environment, Missing):
            return environment
        name = grub.default(text, environment)
        found = grub.choose(grub.menu(text), name)
        if found is None or not found.kernel:
            return Missing(path, Why.FAILED, NO_KERNEL.filled(name=name))
        return Entry(path, found.kernel, found.words)
    return Missing(GRUB_MENUS[0], Why.ABSENT)


def limine_entry(host: Reader) -> Entry | Missing:
    """Return the default entry of Limine's menu."""
    from vfio_doctor.parse import limine

    for path in LIMINE_MENUS:
        text = read_text(host, path, CONFIG_BYTES)
        if isinstance(text, Missing):
            if text.why is Why.ABSENT:
                continue
            return text
        found = limine.default(limine.menu(text))
        if found is None or (found.arguments is None and not found.kernel):
            return Missing(path, Why.FAILED, LIMINE_SILENT)
        return Entry(path, found.kernel, words(found.arguments or ""))
    return Missing(LIMINE_MENUS[0], Why.ABSENT)
