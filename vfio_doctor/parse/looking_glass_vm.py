"""A VM's definition with the kvmfr device in it: text in, text out."""

from __future__ import annotations

import re

NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
# The JSON form: libvirt from 7.9 on makes its own devices so, and QEMU makes those
# first (vfio-kvmfr a.6; looking-glass.io, "IVSHMEM with the KVMFR module").
ARGUMENTS = """\
    <qemu:arg value='-device'/>
    <qemu:arg value="{{'driver':'ivshmem-plain','id':'shmem0',\
'memdev':'looking-glass'}}"/>
    <qemu:arg value='-object'/>
    <qemu:arg value="{{'qom-type':'memory-backend-file','id':'looking-glass',\
'mem-path':'/dev/kvmfr0','size':{size},'share':true}}"/>
"""
BLOCK = "  <qemu:commandline>\n" + ARGUMENTS + "  </qemu:commandline>\n"
_DOMAIN = re.compile(r"<domain\b[^<>]*>")
_OPENED = re.compile(r"[ \t]*</qemu:commandline>")
_PREFIX = re.compile(r"xmlns:qemu\s*=\s*[\"']([^\"']*)[\"']")


def with_device(text: str, size: int) -> str | None:
    """Return the definition with a device of ``size`` bytes; None if it has no place.

    That is a text that names kvmfr or looking-glass already, that has not one domain,
    or whose prefix qemu stands for something else.
    """
    domains = _DOMAIN.findall(text)
    end = text.rfind("</domain>")
    if len(domains) != 1 or end < 0 or "kvmfr" in text or "looking-glass" in text:
        return None
    prefix = _PREFIX.search(domains[0])
    if prefix is not None and prefix[1] != NAMESPACE:
        return None
    opened = _OPENED.search(text)
    if opened is not None:
        at, block = opened.start(), ARGUMENTS.format(size=size)
    else:
        at, block = text.rfind("\n", 0, end) + 1, BLOCK.format(size=size)
        at = end if text[at:end].strip() else at
    text = f"{text[:at]}{block}{text[at:]}"
    if prefix is None:
        tag = f"{domains[0][:-1]} xmlns:qemu='{NAMESPACE}'>"
        text = text.replace(domains[0], tag, 1)
    return text
