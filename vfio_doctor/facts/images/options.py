"""Options of modprobe.d that a module loaded by the initramfs does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, missing_fact
from vfio_doctor.facts.images.content import ImageContent
from vfio_doctor.facts.images.initramfs import GRAPHICS, InitramfsModules
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.kvm import kernel_boolean
from vfio_doctor.facts.kvmfr.names import KVMFR
from vfio_doctor.facts.module_config import ModuleConfig
from vfio_doctor.facts.modules import BuiltinModules
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.parse.modprobe import module_name
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.facts.module_config import ModuleOption
    from vfio_doctor.host.reader import Reader

# Whose parameters matter on every host. Of others those count that modprobe.d gives
# options to and that the image is known to load.
FIELD = ("kvm", "kvm_amd", "kvm_intel", "vfio", "vfio_iommu_type1", "vfio_pci")
# An image may have these though nothing names them: it takes a look into it.
MAY_BE_IN = (*GRAPHICS, "nvidia", "nvidia_drm", "nvidia_modeset", "vendor_reset")
# Loading one of these loads the module too.
BROUGHT_BY = {
    "kvm": ("kvm_intel", "kvm_amd"),
    "vfio": ("vfio_pci", "vfio_iommu_type1"),
}
# Has a rule of its own, which names the image too.
ELSEWHERE = ("kvm", "report_ignored_msrs")
PARAMETER = "/sys/module/{}/parameters/{}"


class OldOption(NamedTuple):
    """A parameter that runs with another value than modprobe.d gives.

    ``source`` has the initramfs load the module, ``command`` makes the image anew.
    """

    module: str
    parameter: str
    running: str
    option: ModuleOption
    source: str
    command: str

    @property
    def sysfs(self) -> str:
        """Return where the running value stands."""
        return PARAMETER.format(self.module, self.parameter)

    @property
    def written(self) -> str:
        """Return the option as modprobe.d has it."""
        value = self.option.value
        return self.parameter if value is None else f"{self.parameter}={value}"


class OldOptions(NamedTuple):
    """Parameters that the image has loaded a module without, or with other values.

    A file that the image is newer than is in it: its options are left out. ``unread``
    says why more could not be told.
    """

    found: tuple[OldOption, ...]
    unread: MissingFact | None = None

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> OldOptions:
        """Compare what runs with modprobe.d, for modules that the image loads."""
        found: list[OldOption] = []
        for module, name, option in _given(facts):
            running = read_text(host, PARAMETER.format(module, name))
            if isinstance(running, Missing):
                if running.hidden:
                    return cls(tuple(found), missing_fact(running))
                continue
            if is_same(option.value, running.strip()):
                continue
            if _is_in_image(host, facts, option):
                continue
            rebuild = _loaded_by(module, facts)
            if rebuild is not None:
                found.append(OldOption(module, name, running.strip(), option, *rebuild))
            elif hidden := _hidden(module, facts):
                return cls(tuple(found), missing_fact(hidden))
        return cls(tuple(found), _unread(facts))


def _loaded_by(module: str, facts: Facts) -> tuple[str, str] | None:
    """Return (what has the image load a module, command that makes it anew)."""
    listed = facts[InitramfsModules].rebuild(module, *BROUGHT_BY.get(module, ()))
    if listed is not None or module not in MAY_BE_IN:
        return listed
    # udev in the image loads each driver for which there is hardware.
    content = facts[ImageContent]
    if module not in content.modules:
        return None
    from vfio_doctor.facts.images.late import command_for

    return content.image, command_for(facts, content.image)


def _hidden(module: str, facts: Facts) -> Missing | None:
    """Return what may say that the image loads a module, and was not readable."""
    unread = facts[InitramfsModules].unread
    if unread or module not in MAY_BE_IN:
        return next(iter(unread), None)
    return facts[ImageContent].unread


def _unread(facts: Facts) -> MissingFact | None:
    """Return which file may give an option to a module that the image loads."""
    images, unread = facts[InitramfsModules], facts[ModuleConfig].unread
    loads = (images.rebuild(m, *BROUGHT_BY.get(m, ())) for m in FIELD)
    return missing_fact(unread[0]) if unread and any(loads) else None


def _given(facts: Facts) -> Iterator[tuple[str, str, ModuleOption]]:
    """Yield (module, parameter, option) of each that modprobe.d decides."""
    line, config = facts[KernelCmdline].line, facts[ModuleConfig]
    for module in _modules(config):
        names = dict.fromkeys(name for name, _ in config.parameters(module, line))
        for name in names:
            option = config.values(module, name, line)[-1]
            told = option.on_command_line or (module, name) == ELSEWHERE
            if not (told or _is_built_in(facts, module)):
                yield module, name, option


def _modules(config: ModuleConfig) -> tuple[str, ...]:
    """Return the modules to compare; kvmfr hides its size, which has a rule."""
    given = (m for _, file in config.options for m in file.modules("options"))
    return tuple(dict.fromkeys((*FIELD, *(m for m in given if m != KVMFR))))


def _is_built_in(facts: Facts, module: str) -> bool:
    try:
        return facts[BuiltinModules].has(module_name(module))
    except MissingFact:
        return False


def _is_in_image(host: Reader, facts: Facts, option: ModuleOption) -> bool:
    """Tell whether the image was made after the file was changed last."""
    from vfio_doctor.facts.images.late import is_newer

    assert option.place is not None
    return is_newer(host, facts, option.place.path) is True


def is_same(given: str | None, running: str) -> bool:
    """Tell whether the kernel would show a given value so; what it refuses is.

    A text that cannot be a value of that kind is another fault.
    """
    if running in ("Y", "N"):
        wanted = kernel_boolean(given)
        return wanted is None or wanted == (running == "Y")
    if given is None:
        return True
    number, shown = _number(given), _number(running)
    if shown is not None:
        return number is None or number == shown
    return given == running


def _number(text: str) -> int | None:
    """Return an integer as the kernel reads it (base 0: an octal has a leading 0)."""
    digits = text.lstrip("+-")
    try:
        if digits[:1] == "0" and digits.isdigit():
            return int(text, 8)
        return int(text, 0) if len(text) < 30 else None
    except ValueError:
        return None
