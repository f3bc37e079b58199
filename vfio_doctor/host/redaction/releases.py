"""Releases of kernels that are published, by the shapes that their makers give them.

A word of such a shape is public only there: a person may call a machine, or a kernel
of their own, neptune or daily.
"""

from __future__ import annotations

import re

_ARCH = r"(?:x86_64|aarch64|amd64|arm64|ppc64le|s390x|noarch)"
_FC = rf"\.fc\d{{2}}(?:\.{_ARCH})?(?:\+(?:debug|rt|rt-debug|16k|16k-debug|t2))?"
_CLOUDS = r"aws|azure|azure-fde|gcp|gke|ibm|kvm|oem|oracle|raspi|nvidia|realtime|intel"
_CACHY = r"bore|bmq|eevdf|hardened|lts|rc|rt|rt-bore|server|deckify|sched-ext|echo"
_LTO = r"(?:-(?:lto|gcc|llvm))?"
_SCHEDULER = r"(?:-(?:bore|bmq|cfs|eevdf|muqss|pds|upds))?"
# What stands behind the version, by maker. All repetitions are bounded.
_SHAPES = (
    # Debian's backports, security builds and boards.
    rf"\+(?:bpo|deb\d{{2}})(?:\+\d{{1,2}})?-(?:cloud-|rt-)?{_ARCH}",
    r"\+rpt-rpi-(?:v[678]l?|2712)",
    # Ubuntu: clouds, and the builds of its mainline archive.
    rf"-\d{{4}}-(?:{_CLOUDS})(?:-64k)?",
    r"-(?P<mainline>0[56]\d{4})(?:rc\d{1,2})?(?:daily20\d{6})?-(?:generic|lowlatency)",
    # Pop!_OS numbers by the version, too.
    r"-(?P<pop>76\d{6})(?:daily20\d{6})?-generic",
    # Fedora: snapshots, variants, and who builds on it.
    rf"-0\.rc\d{{1,2}}\.(?:20\d{{6}}git|\d{{6}}g)[0-9a-f]{{12}}\.\d{{1,3}}{_FC}",
    rf"-\d{{1,3}}(?:\.(?:asahi|bazzite|fsync|nobara|ogc|qubes|secureblue|surface))?{_FC}",
    rf"-cachyos\d(?:\.(?:lto|lts|rt|server))?{_FC}",
    rf"-(?:\d{{1,2}}-)?cachyos(?:-(?:{_CACHY}))?{_LTO}",
    r"(?:-rt\d{1,2})?(?:-x64v[1-4])?(?:-rt)?-xanmod\d{1,2}",
    rf"(?:-\d{{1,3}})?-tkg{_SCHEDULER}{_LTO}",
    r"-valve\d{1,2}-\d{1,2}-neptune-\d{2,3}(?:-g[0-9a-f]{12})?",
    rf"-\d{{1,4}}(?:\.\d{{1,3}}){{0,4}}\.el\d{{1,2}}uek(?:\.{_ARCH})?",
    rf"-\d{{1,3}}(?:\.\d{{1,3}}){{0,2}}\.amzn20\d\d(?:\.{_ARCH})?",
    r"-\d{1,4}\.(?:native|azl\d)",
    r"-production\+truenas",
    r"-microsoft-standard-WSL2",
    r"-gentoo(?:-r\d{1,2})?(?:-dist|-x86_64)?",
    r"-\d{1,2}-t2(?:-(?:jammy|noble|resolute|bookworm|trixie))?",
)
RELEASE = (
    r"(?<![0-9A-Za-z.])(?P<release>(?P<major>[3-9])\.(?P<minor>\d{1,2})"
    rf"(?:\.\d{{1,3}}){{0,2}}(?:[-~]rc\d{{1,2}})?(?:{'|'.join(_SHAPES)}))(?![0-9A-Za-z_])"
)


def is_published(found: re.Match[str]) -> bool:
    """Tell whether a long number in a release says only which version it is."""
    number = found["pop"] or found["mainline"]
    if not number:
        return True
    digits = number.removeprefix("76") if found["pop"] else number
    return digits[:4] == f"{int(found['major']):02d}{int(found['minor']):02d}"
