"""Which keys the firmware's owner has enrolled, and whether one signed kvmfr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact
from vfio_doctor.facts.modules import KvmfrFile, KvmfrInfo
from vfio_doctor.host.reader import Missing
from vfio_doctor.parse.efi_keys import certificates
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.parse.efi_keys import Certificate
    from vfio_doctor.parse.modinfo import ModuleInfo

EFIVARS = "/sys/firmware/efi/efivars"
# shim keeps its list for the running system; root's copy may be longer.
MOK = (
    "/sys/firmware/efi/mok-variables/MokListRT",
    f"{EFIVARS}/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23",
)
DB = f"{EFIVARS}/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
ATTRIBUTES = 4
LIMIT = 1 << 18
# Who signs modules on a host: Ubuntu's DKMS, others' DKMS, akmods.
PUBLIC_KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")
OF_AKMODS = "/etc/pki/akmods/certs/public_key.der"


class EnrolledKeys(NamedTuple):
    """Whether the key that signed kvmfr is enrolled; None if that is not known.

    ``where`` are the lists that were read. ``public`` is the file of the key that
    modules are signed with here, "" if none is seen.
    """

    enrolled: bool | None
    where: tuple[str, ...]
    public: str

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> EnrolledKeys:
        """Read shim's list and the firmware's, then look for the signer in them."""
        info = facts[KvmfrInfo].info
        found: list[Certificate] = []
        where: list[str] = []
        for path in (*MOK, DB):
            if path in MOK and where:
                continue
            held = _read(host, path)
            if held is not None:
                found += held
                where.append(path)
        in_one = any(_signed(info, one) for one in found)
        is_told = bool(_serial(info)) and any(path in MOK for path in where)
        enrolled = in_one or (False if is_told else None)
        return cls(enrolled, tuple(where), _public(host, facts))


def _read(host: Reader, path: str) -> tuple[Certificate, ...] | None:
    data = host.read_bytes(path, LIMIT)
    if isinstance(data, Missing):
        return None
    return certificates(data[ATTRIBUTES:] if path.startswith(EFIVARS) else data)


def _serial(info: ModuleInfo) -> str:
    """Return the number of the signer's certificate, "" if it is not whole."""
    digits = info.sig_key.lower()
    return "" if digits.endswith(":") else digits.replace(":", "").lstrip("0")


def _signed(info: ModuleInfo, one: Certificate) -> bool:
    """Tell whether a certificate is the signer's: by number, and by name if shown."""
    serial = _serial(info)
    return bool(serial) and serial == one.serial and info.signer in ("", one.name)


def _public(host: Reader, facts: Facts) -> str:
    try:
        path = facts[KvmfrFile].running
    except MissingFact:
        path = ""
    of_akmod = isinstance(path, str) and "/extra/" in path
    order = (OF_AKMODS, *PUBLIC_KEYS) if of_akmod else (*PUBLIC_KEYS, OF_AKMODS)
    there = (p for p in order if not isinstance(host.lstat(p), Missing))
    return next(there, "")
