"""modprobe.d and lists of modules: directives stay, comments do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, forms, scrub
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.paths import path
from vfio_doctor.host.redaction.public import is_module
from vfio_doctor.host.redaction.public_modules import FIELD, PARAMETERS
from vfio_doctor.parse.modprobe import module_name

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

_DIRECTIVES = listed(
    "options install remove softdep weakdep alias blacklist include config"
)
_PROGRAMS = listed(
    "/bin/true /bin/false /usr/bin/true /usr/bin/false true false : /sbin/modprobe"
    " modprobe /usr/sbin/modprobe /sbin/rmmod rmmod"
)
_SWITCHES = ("-i", "--ignore-install", "-r", "-q", "-a", "{", "}", "")
# Ids are shown wherever vfio-pci takes them; beside that they are as harmless.
_IDS = re.compile(r"(?:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4},?)+")
_LISTS = frozenset(("pre:", "post:"))
_RUN = re.compile(r"[ \t]+|(?:[^\s\"]|\"[^\"\n]*(?:\"|(?=\n)|$))+|.", re.DOTALL)


def modprobe(text: str, names: Names) -> str:
    """Return a modprobe.d file; comments that hold a directive keep it."""
    return "\n".join(_line(line, names) for line in text.split("\n"))


_FORCED = re.compile(r"(modules_force_load:[ \t]*)(.*)")


def booster(text: str, names: Names) -> str:
    """Return Booster's settings: of all of them the modules that it loads."""
    return "\n".join(_booster_line(line, names) for line in text.split("\n"))


def _booster_line(line: str, names: Names) -> str:
    found = _FORCED.fullmatch(line)
    if not found:
        return f"# {names.hidden(line)}" if line.strip() else line
    items = re.split(r"([, \t\"']+)", found[2])
    shown = (
        each if at % 2 or is_module(each) or not each else names.hidden(each)
        for at, each in enumerate(items)
    )
    return found[1] + "".join(shown)


def _line(line: str, names: Names) -> str:
    if line.startswith("#"):
        body = line.lstrip("#").strip()
        kept = _directive(body, names) if _is_switched_off(body) else ""
        return f"#{kept}" if kept else forms.comment(line)
    return _directive(line, names)


def _is_switched_off(body: str) -> bool:
    """Tell a directive that somebody switched off from prose."""
    first = body.split(None, 2)
    known = len(first) > 2 and first[0] in _DIRECTIVES and first[1].isascii()
    return known and ("=" in first[2] or ":" in first[2])


def _directive(line: str, names: Names) -> str:
    """Return one line; blanks and a backslash at its end stay where they were."""
    pieces = _RUN.findall(line)
    words = [piece for piece in pieces if piece.strip(" \t")]
    first = words[0] if words else ""
    subject = words[1] if len(words) > 1 else ""
    out, seen = [], 0
    for piece in pieces:
        if piece.strip(" \t"):
            out.append(_word(piece, seen, first, subject, names))
            seen += 1
        else:
            out.append(piece)
    return "".join(out)


def _word(text: str, place: int, first: str, subject: str, names: Names) -> str:
    plain = text.rstrip("\\\r")
    if plain != text:
        rest = _word(plain, place, first, subject, names) if plain else ""
        return rest + text[len(plain) :]
    if place == 0:
        return text if text in _DIRECTIVES else _free(text, names)
    if place == 1:
        return _subject(text, first, names)
    if first == "options":
        return option(module_name(subject), text, names)
    if first in ("softdep", "weakdep") and text in _LISTS:
        return text
    if first in ("install", "remove"):
        return _command(text, names)
    return module(text, names)


def _command(text: str, names: Names) -> str:
    """Return a word of a command: a program, the script of the host's own, a module."""
    plain = text.rstrip(";&|")
    if plain != text:
        return (_command(plain, names) if plain else "") + text[len(plain) :]
    if text in _PROGRAMS or text in _SWITCHES or scrub.is_script(text):
        return text
    return path(text, names) if text.startswith("/") else module(text, names)


def _subject(text: str, first: str, names: Names) -> str:
    if first == "alias" and not is_module(text):
        return _alias(text, names)
    if first == "options" and "=" in text:
        return _free(text, names)
    return module(text, names) if first in _DIRECTIVES else _free(text, names)


def _alias(text: str, names: Names) -> str:
    """Return an alias: the bus it is for, and wildcards."""
    bus, colon, rest = text.partition(":")
    known = colon and bus in ("pci", "usb", "acpi", "platform", "char-major", "devname")
    return f"{bus}:{names.hidden(rest)}" if known else names.hidden(text)


def _free(text: str, names: Names) -> str:
    """Return a word of a line that is no directive: an argument, or hidden."""
    key, equals, value = text.partition("=")
    if equals and (arguments.is_parameter(key) or key.replace("-", "_") in PARAMETERS):
        return f"{key}={arguments.parameter_value(value, names)}"
    return text if is_module(text) else names.hidden(text)


def module(text: str, names: Names) -> str:
    """Return a module's name: of a public one itself."""
    if is_module(text) or text in ("on", "off", "none"):
        return text
    return names.name("module", module_name(text)) if text else text


def option(name: str, text: str, names: Names) -> str:
    """Return one ``parameter=value`` of a module, quotes where they were."""
    quote = '"' if text.startswith('"') else ""
    key, equals, value = text.removeprefix('"').partition("=")
    plain = key.replace("-", "_")
    if text.startswith("#"):
        return "#"
    known = name in FIELD and plain in PARAMETERS
    if _IDS.fullmatch(text):
        return text
    # As in the path below /sys/module, so that both still are the same parameter.
    shown = key if known else forms.in_parts(key.strip('"'), names, "name")
    if not equals:
        return f"{quote}{shown}" + ('"' if key.endswith('"') else "")
    return f"{quote}{shown}={_option_value(value, names)}"


def _option_value(value: str, names: Names) -> str:
    opening = '"' if value.startswith('"') else ""
    body = value[len(opening) :]
    closing = '"' if body.endswith('"') else ""
    body = body.removesuffix('"').replace('"', "")
    return f"{opening}{arguments.parameter_value(body, names)}{closing}"


def module_list(text: str, names: Names) -> str:
    """Return a list of modules to load, a line each; comments leave their mark."""
    return "\n".join(_listed(line, names) for line in text.split("\n"))


def _listed(line: str, names: Names) -> str:
    body = line.strip()
    if not body or body[0] in "#;":
        return line if not body else forms.comment(body, body[0])
    head, mark, comment = body.partition(" #")
    if mark:
        return f"{_listed(head, names)} {forms.comment(f'#{comment}', '#')}"
    words = body.split()
    if words[0] in _DIRECTIVES and len(words) > 1:
        return _directive(body, names)
    if len(words) == 1 and "=" not in body:
        return module(body, names)
    return " ".join(_free(word, names) for word in words)


def index(text: str, names: Names) -> str:
    """Return modules.dep or modules.builtin: the lines of this field's modules."""
    lines = text.splitlines()
    kept = [
        _indexed(line, names)
        for line in lines
        if any(m in line for m in ("kvm", "vfio"))
    ]
    names.leave_out("line of a module index", len(lines) - len(kept))
    return "".join(f"{line}\n" for line in kept)


def _indexed(line: str, names: Names) -> str:
    head, colon, rest = line.partition(":")
    needs = " ".join(path(word, names) for word in rest.split())
    return f"{path(head, names)}{colon}{' ' if needs else ''}{needs}"


def loaded(text: str, names: Names) -> str:
    """Return ``/proc/modules``: names of public modules, no addresses."""
    return "".join(f"{_loaded(line, names)}\n" for line in text.splitlines())


def _loaded(line: str, names: Names) -> str:
    words = (line.split() + ["0", "0", "-", "Live"])[:5]
    if not line.strip():
        return line
    users = ",".join(_user(name, names) for name in words[3].split(",") if name)
    # Whether anybody uses it, not how many.
    used = int(words[2].strip("0") != "" and words[2].isdigit())
    return f"{module(words[0], names)} 0 {used} {users or '-'} Live 0x0"


def _user(text: str, names: Names) -> str:
    return text if text in ("-", "[permanent]") else module(text, names)
