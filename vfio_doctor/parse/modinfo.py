"""Read the output of ``modinfo``."""

from __future__ import annotations

from vfio_doctor.value import NamedTuple


class ModuleInfo(NamedTuple):
    """What a module file says of itself; "" where a field is not there.

    ``signer`` can be empty on a signed module, where kmod was built without the
    library that reads names: then ``sig_id`` still says that there is one.
    ``sig_key`` is the serial number of the signer's certificate.
    ``parameters`` are the names that the module takes.
    """

    filename: str = ""
    version: str = ""
    vermagic: str = ""
    signer: str = ""
    sig_id: str = ""
    parameters: tuple[str, ...] = ()
    sig_key: str = ""

    @property
    def signed(self) -> bool:
        """Tell whether the file carries a signature at all."""
        return bool(self.signer or self.sig_id)

    @property
    def release(self) -> str:
        """Return the kernel release that the module was built for, or ""."""
        return self.vermagic.partition(" ")[0]

    @property
    def checks_symbols(self) -> bool:
        """Tell whether the kernel compares symbols instead of the release.

        With ``modversions`` in its vermagic the kernel skips the release
        (``same_magic`` in kernel/module/version.c).
        """
        return "modversions" in self.vermagic.split()


def parse(text: str) -> ModuleInfo:
    """Return the first value of each field; never raises."""
    fields: dict[str, str] = {}
    parameters: list[str] = []
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            continue
        if name == "parm":
            parameters.append(value.strip().partition(":")[0])
        fields.setdefault(name, value.strip())
    return ModuleInfo(
        fields.get("filename", ""),
        fields.get("version", ""),
        fields.get("vermagic", ""),
        fields.get("signer", ""),
        fields.get("sig_id", ""),
        tuple(parameters),
        fields.get("sig_key", ""),
    )
