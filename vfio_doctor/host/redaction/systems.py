"""Which system this is: distributions, images and machines from public lists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.host.redaction import forms
from vfio_doctor.host.redaction.listed import listed
from vfio_doctor.parse import os_release as release_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.host.redaction.names import Names

    Put = Callable[[str, Names], str]

_FIELDS = listed(
    """
    NAME PRETTY_NAME ID ID_LIKE VERSION VERSION_ID VERSION_CODENAME VARIANT
    VARIANT_ID OSTREE_VERSION IMAGE_ID IMAGE_VERSION BUILD_ID DEBIAN_VERSION_FULL
    PLATFORM_ID UBUNTU_CODENAME RELEASE_TYPE
    """
)
_REGISTRIES = listed(
    """
    ghcr.io quay.io docker.io registry.fedoraproject.org registry.access.redhat.com
    registry.redhat.io registry.opensuse.org mcr.microsoft.com localhost
    """
)
_OWNERS = listed(
    """
    ublue-os fedora fedora-ostree-desktops fedora-testing centos-bootc bazzite-org
    secureblue rhel rhel9 rhel10 library wayblueorg blue-build almalinux-bootc
    bootc-devel projectbluefin opensuse ostree fedora-bootc zirconium-dev
    """
)
_SCHEMES = listed(
    """
    ostree-image-signed ostree-unverified-image ostree-unverified-registry
    ostree-remote-image ostree-remote-registry docker registry oci oci-archive
    containers-storage docker-archive fedora
    """
)


def os_release(text: str, names: Names) -> str:
    """Return os-release: who makes the system, and its version."""
    fields = release_file.parse(text)
    kept = {key: value for key, value in fields.items() if key in _FIELDS}
    names.leave_out("line of os-release", len(fields) - len(kept))
    return "".join(
        f'{key}="{forms.in_parts(value, names, "image")}"\n'
        for key, value in kept.items()
    )


def reference(text: str, names: Names) -> str:
    """Return an image reference: public registries, owners, images and tags."""
    head, where = _scheme(text)
    host, slash, rest = where.partition("/")
    if not slash:
        return head + forms.in_parts(where, names, "image")
    shown = host if host in _REGISTRIES else names.name("host", host)
    body, at, digest = rest.partition("@")
    owner, slash, image = body.rpartition("/")
    owner = "/".join(_owner(each, names) for each in owner.split("/") if each)
    tail = f"@{_digest(digest, names)}" if at else ""
    return f"{head}{shown}/{owner}{slash}{forms.in_parts(image, names, 'image')}{tail}"


def _scheme(text: str) -> tuple[str, str]:
    """Take off ``ostree-image-signed:docker://`` and the like."""
    head = ""
    while True:
        word, colon, rest = text.partition(":")
        if not colon or word not in _SCHEMES:
            return head, text
        slashes = "//" if rest.startswith("//") else ""
        head, text = f"{head}{word}:{slashes}", rest.removeprefix("//")


def _owner(text: str, names: Names) -> str:
    return text if text in _OWNERS else names.name("image", text)


def _digest(text: str, names: Names) -> str:
    kind, colon, rest = text.partition(":")
    known = colon and kind in ("sha256", "sha512")
    return f"{kind}:{forms.in_parts(rest, names)}" if known else names.hidden(text)


def _version(text: str, names: Names) -> str:
    return forms.in_parts(text, names, "image")


def _word(text: str, names: Names) -> str:
    return forms.in_parts(text, names)


def _origin(text: str, names: Names) -> str:
    """Return where a deployment comes from: an image, or a remote and its branch."""
    known = any(scheme in text for scheme in ("docker:", "registry:", "image"))
    return reference(text, names) if known else _word(text, names)


def _dracut(text: str, names: Names) -> str:
    """Return an argument of dracut's that names modules; of others, nothing."""
    from vfio_doctor.host.redaction import module_files

    option, equals, value = text.partition("=")
    if option not in ("--force-drivers", "--add-drivers", "--omit-drivers"):
        return names.hidden(text)
    held = " ".join(module_files.module(word, names) for word in value.split())
    return f"{option}{equals}{held}"


# By key, wherever in the JSON it stands; what is not here is left out.
_KEYS: dict[str, Put | None] = {
    "image-name": _version,
    "image-flavor": _version,
    "image-vendor": lambda text, names: (
        text if text in _OWNERS else _version(text, names)
    ),
    "image-tag": _version,
    "image-branch": _version,
    "image-ref": reference,
    "base-image-name": _version,
    "fedora-version": _version,
    "version": _version,
    "osname": _word,
    "stateroot": _word,
    "checksum": _word,
    "serial": None,
    "deploySerial": None,
    "booted": None,
    "staged": None,
    "rollback": None,
    "pinned": None,
    "rollbackQueued": None,
    "incompatible": None,
    "regenerate-initramfs": None,
    "initramfs-args": _dracut,
    "unlocked": _word,
    "container-image-reference": reference,
    "origin": _origin,
    "deployments": None,
    "status": None,
    "image": reference,
    "transport": _word,
    "ostree": None,
    "composefs": None,
    "bootType": _word,
    "bootloader": _word,
    "type": _word,
    "kind": _word,
    "apiVersion": lambda text, names: (
        text if text == "org.containers.bootc/v1" else _word(text, names)
    ),
    "title": lambda text, names: names.name("title", text),
    "id": _word,
    "isDefault": None,
    "isSelected": None,
    "isReported": None,
    "linux": lambda text, names: _path(text, names),
    "options": lambda text, names: _arguments(text, names),
}


def _path(text: str, names: Names) -> str:
    from vfio_doctor.host.redaction.paths import path

    return path(text, names)


def _arguments(text: str, names: Names) -> str:
    from vfio_doctor.host.redaction.arguments import line

    return line(text, names)


def json_text(text: str, names: Names) -> str:
    """Return JSON with the known keys only, or a stand-in for what is no JSON."""
    import json

    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return names.hidden(text)
    try:
        return json.dumps(_known(held, "", names), indent=2) + "\n"
    except RecursionError:
        return names.hidden(text)


def _known(value: object, key: str, names: Names) -> object:
    if isinstance(value, dict):
        kept = {k: _known(v, k, names) for k, v in value.items() if k in _KEYS}
        names.leave_out("value of a status", len(value) - len(kept))
        return kept
    if isinstance(value, list):
        return [_known(item, key, names) for item in value]
    if isinstance(value, str):
        put = _KEYS.get(key)
        return put(value, names) if put else names.hidden(value)
    small = isinstance(value, bool) or value is None
    return value if small or isinstance(value, int) and abs(value) < 10_000 else 0


_MODEL = re.compile(r"[\w .,()/+&@#:'-]{1,64}")


def board(text: str, names: Names) -> str:
    """Return a maker's or model's name as the firmware has it, without ids."""
    body = text.strip()
    plain = _MODEL.fullmatch(body) is not None and body.isascii()
    return text if plain and "@" not in body else names.hidden(body) + "\n"


def name_of_host(text: str, names: Names) -> str:
    """Return a stand-in for the host's name."""
    return f"{names.name('host', text.strip())}\n" if text.strip() else text


def words(text: str, names: Names) -> str:
    """Return a short file of known words: a mode, a state, a version."""
    return forms.in_parts(text, names)
