"""Boot loaders: kernel files and argument lines; users, passwords, titles never."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import arguments, forms
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.host.redaction.paths import path
from vfio_doctor.parse.grub import LINUX, tokens
from vfio_doctor.parse.whole_number import whole

if TYPE_CHECKING:
    from vfio_doctor.host.redaction.names import Names

GONE = "#"
# No reader makes anything of it, as of the bytes it stands for.
UNREADABLE = b"?"
_NAMED = listed(
    "version machine-id sort-key architecture default preferred timeout console-mode"
    " editor auto-entries auto-firmware beep label protocol kaslr default_entry"
    " remember_last_entry quiet serial term_font ui prompt menu"
)
_PATHS = listed(
    "linux initrd efi uki devicetree devicetree-overlay kernel path kernel_path"
    " module_path image_path linuxefi"
)
_ARGUMENTS = listed("options append cmdline kernel_cmdline")
_GRUB_NUMBERS = listed(
    "boot_success boot_indeterminate menu_auto_hide menu_show_once recordfail"
    " boot_counter menu_hide_ok timeout"
)
_VARIABLES = frozenset(("saved_entry", "next_entry", "prev_saved_entry"))


def entry(text: str, names: Names) -> str:
    """Return a Boot Loader Specification entry, loader.conf or syslinux.cfg."""
    return "\n".join(_line(line, names) for line in text.split("\n"))


def _line(line: str, names: Names) -> str:
    found = re.match(r"(\s*)(\S+)([ \t]*)(.*?)(\s*)$", line)
    if found is None:
        return line
    indent, key, gap, value, end = found.groups()
    if key.startswith("#"):
        return GONE + end
    shown = _value(key, value, names)
    if shown is None:
        return f"{indent}{names.hidden(key)}{gap}{names.hidden(value)}{end}"
    return f"{indent}{key}{gap}{shown}{end}"


def _value(key: str, value: str, names: Names) -> str | None:
    """Return the value of a known key, None for another key."""
    plain = key.lower()
    if plain in _ARGUMENTS:
        return arguments.line(value, names)
    if plain in _PATHS:
        shown = (arguments.path_value(each, names) for each in value.split(" "))
        return forms.whole_chains(" ".join(shown), names)
    if plain == "title":
        return names.name("title", value)
    if plain in _NAMED:
        return forms.in_parts(value, names)
    return None


def limine(text: str, names: Names) -> str:
    """Return limine.conf: its menu without titles and comments."""
    return "\n".join(_limine_line(line, names) for line in text.split("\n"))


def _limine_line(line: str, names: Names) -> str:
    body = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if body.startswith("/"):
        title = body.lstrip("/")
        mark = body[: len(body) - len(title)] + "+" * title.startswith("+")
        return f"{indent}{mark}{names.name('title', title.removeprefix('+').strip())}"
    key, colon, value = body.partition(":")
    if not body or not colon or body.startswith("#"):
        return "" if not body else GONE
    shown = _limine_value(key.strip(), value.strip(), names)
    return f"{indent}{key.strip()}: {shown}" if shown is not None else GONE


def _limine_value(key: str, value: str, names: Names) -> str | None:
    if key.lower() in _PATHS:
        where, colon, rest = value.partition(":")
        known = colon and re.fullmatch(r"(?:boot|hdd|odd)\([\d:]{0,12}\)", where)
        head = f"{where}:" if known else ""
        return head + path(rest if known else value, names)
    return _value(key, value, names)


def grub_environment(text: str, names: Names) -> str:
    """Return grubenv: the entries it names, and arguments."""
    return "\n".join(_variable(line, names) for line in text.split("\n"))


def _variable(line: str, names: Names) -> str:
    name, equals, value = line.partition("=")
    if not equals or name.startswith("#"):
        return GONE if line else line
    if name in _VARIABLES:
        return f"{name}={_chosen(value, names)}"
    if name in arguments.VARIABLES:
        return f"{name}={arguments.line(value, names)}"
    if name in _GRUB_NUMBERS and forms.is_number(value):
        return line
    return f"{names.name('variable', name)}={names.hidden(value)}"


def _chosen(text: str, names: Names) -> str:
    """Return what names an entry: number, title or file; ``>`` leads inside."""
    return ">".join(_entry_name(each, names) for each in text.split(">"))


def _entry_name(text: str, names: Names) -> str:
    if whole(text, 4) is not None:
        return text
    is_file = re.fullmatch(r"[\w.+-]{1,255}", text) and not text.startswith("gnulinux")
    return forms.in_parts(text, names) if is_file else names.name("title", text)


def grub_menu(text: str, names: Names) -> str:
    """Return grub.cfg: entries, kernels, arguments; every other line is a comment."""
    lines = text.split("\n")
    out = [_menu_line(line, names) for line in lines]
    gone = sum(
        new == GONE and old.strip() != "" for new, old in zip(out, lines, strict=True)
    )
    names.leave_out("line of GRUB's menu", gone)
    return "\n".join(out)


def _menu_line(line: str, names: Names) -> str:
    parts = tokens(line)
    indent = line[: len(line) - len(line.lstrip())]
    opens = parts[-1:] == ("{",)
    if not parts:
        return _other(line, ("",), opens) if line.strip() else ""
    if parts[0] in ("menuentry", "submenu") and opens:
        return indent + _opening(parts, names)
    if parts[0] in LINUX and len(parts) > 1:
        return indent + _linux(line.lstrip(), names)
    if parts[0] == "set" and len(parts) > 1 and parts[1].startswith("default="):
        return indent + _default(parts[1].partition("=")[2], names)
    if parts[0] == "initrd":
        shown = " ".join(path(each, names) for each in parts[1:])
        return f"{indent}initrd {forms.whole_chains(shown, names)}"
    return _other(line, parts, opens)


def _other(line: str, parts: tuple[str, ...], opens: bool) -> str:
    """Return what a line does to the braces, and whether it knows of one-time boots."""
    if parts[0] == "}":
        return "} {" if opens else "}"
    if opens:
        return "function {"
    told = ("next_entry", "saved_entry", "blscfg")
    known = [name for name in told if name in line]
    return " ".join((GONE, *known))


def _opening(parts: tuple[str, ...], names: Names) -> str:
    words = [parts[0]]
    if len(parts) > 2:
        words.append(_shell_quoted(_entry_name(parts[1], names)))
    for n, part in enumerate(parts[2:-1], 2):
        if part in ("--id", "$menuentry_id_option", "${menuentry_id_option}"):
            words += [part, _shell_quoted(_entry_name(parts[n + 1], names))]
            break
    return " ".join((*words, "{"))


def _shell_quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", ""))


def _linux(line: str, names: Names) -> str:
    """Return a kernel's line: its file and its arguments, blanks as they were."""
    found = re.match(r"(\S+)([ \t]+)(\S+)(.*)$", line, re.DOTALL)
    if found is None:
        return GONE
    command, gap, kernel, rest = found.groups()
    return f"{command}{gap}{_kernel(kernel, names)}{arguments.line(rest, names)}"


def _kernel(text: str, names: Names) -> str:
    quote = text[0] if text[:1] in ("'", '"') and text.endswith(text[0]) else ""
    return quote + arguments.path_value(text.strip("'\""), names) + quote


def _default(value: str, names: Names) -> str:
    for variable in ("next_entry", "saved_entry"):
        if variable in value:
            return f'set default="${{{variable}}}"'
    return f'set default="{_chosen(value, names)}"'


def kernelstub(text: str, names: Names) -> str:
    """Return kernelstub's JSON: the kernel's options, of the user and by default."""
    import json

    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return names.hidden(text)
    if not isinstance(held, dict):
        return names.hidden(text)
    kept = {
        part: _stub(held[part], names) for part in ("default", "user") if part in held
    }
    names.leave_out("kernelstub setting", len(held) - len(kept))
    return json.dumps(kept, indent=2) + "\n"


def _stub(part: object, names: Names) -> object:
    options = part.get("kernel_options") if isinstance(part, dict) else None
    if isinstance(options, str):
        return {"kernel_options": arguments.line(options, names)}
    if isinstance(options, list):
        return {
            "kernel_options": [arguments.word(str(each), names) for each in options]
        }
    return {}


def staged(data: bytes, names: Names) -> bytes:
    """Return ostree's staged deployment: its arguments, and who set them."""
    from vfio_doctor.parse.staged_deployment import StagedDeployment, parse, write

    found = parse(data)
    if found is None:
        return UNREADABLE
    extra = tuple(
        (forms.in_parts(key, names), arguments.line(value, names))
        for key, value in found.extra
    )
    return write(StagedDeployment(arguments.words(found.words, names), extra))


def argument_file(text: str, names: Names) -> str:
    """Return a file of arguments and comments, such as ``/proc/cmdline``."""
    lines = text.split("\n")
    return "\n".join(
        GONE if each.startswith("#") else arguments.line(each, names) for each in lines
    )


def kargs_toml(text: str, names: Names) -> str:
    """Return a file of bootc's kargs.d: the strings of its lists are arguments."""
    return "\n".join(_toml_line(line, names) for line in text.split("\n"))


def _toml_line(line: str, names: Names) -> str:
    key, equals, _ = line.partition("=")
    if line.lstrip().startswith("#"):
        return GONE
    if equals and key.strip() not in ("kargs", "match-architectures"):
        return GONE
    head = f"{key}=" if equals and "[" not in key else ""
    rest = line[len(head) :]
    strings = r'"((?:[^"\\]|\\.)*)"'
    return head + re.sub(
        rf"{strings}|[^\s\[\],]+",
        lambda m: f'"{arguments.word(m[1], names)}"' if m[1] is not None else "",
        rest,
    )
