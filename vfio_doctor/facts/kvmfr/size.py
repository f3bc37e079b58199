"""The size that kvmfr is given, now and at the next boot, and the one it needs.

The formulas are those of Looking Glass: the documentation of its display driver
(IDD) for the current releases, of its host application for B7 and older. What the
module makes of a value follows ``module/kvmfr.c``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vfio_doctor.facts.base import MissingFact, known
from vfio_doctor.facts.boot.arguments import BootArguments
from vfio_doctor.facts.kernel import KernelCmdline
from vfio_doctor.facts.kvmfr.limits import (
    LARGEST,
    SMALLEST,
    TOO_LARGE,
    USUAL,
    is_good_size,
    is_power_of_two,
)
from vfio_doctor.facts.kvmfr.names import (
    FIRST_NODE,
    KVMFR,
    MODPROBE_FILE,
    PARAMETER,
    option_line,
)
from vfio_doctor.facts.module_config import ModuleConfig, ModuleOption, Note
from vfio_doctor.facts.modules import BuiltinModules, LoadedModules
from vfio_doctor.facts.nixos import NIXOS_SIZE, Generated
from vfio_doctor.host.reader import Missing, read_text
from vfio_doctor.messages import say
from vfio_doctor.parse.kvmfr_size import MOST_DEVICES, FlawKind, numbers, unreadable
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vfio_doctor.facts.base import Facts
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message
    from vfio_doctor.parse.cmdline import CommandLine
    from vfio_doctor.parse.kvmfr_size import Flaw

DRM = "/sys/class/drm"
MIB = 1 << 20
WANTED_SIZE = say(
    "kvmfr-size-wanted",
    "a power of two from {smallest} to {largest}",
    smallest=SMALLEST,
    largest=LARGEST,
)
NO_MONITOR = say(
    "kvmfr-size-no-monitor", "no monitor is known; this size holds 3840x2160"
)
LARGEST_MODE = say(
    "kvmfr-size-largest-mode",
    "holds {width}x{height}, the largest mode of a monitor here",
)
HAS_NOW = say("kvmfr-size-has-now", "what the device has now")
MAPPED = say("kvmfr-size-mapped", "what the VM {vm} maps")
BUILT_IN = say("kvmfr-size-built-in", "the kernel, which has kvmfr built in")
ADD_ARGUMENT = say(
    "kvmfr-size-add-argument",
    "This kernel has kvmfr built in and reads nothing of modprobe.d: give it the kernel"
    " argument kvmfr.static_size_mb={mib} ({why}), and reboot the computer.",
)
NOT_SET = say("kvmfr-size-not-set", "no size is set")
_FLAWS = {
    FlawKind.NO_VALUE: say("kvmfr-size-no-value", "it has no value"),
    FlawKind.TOO_MANY: say(
        "kvmfr-size-too-many", "it lists more than {most} sizes", most=MOST_DEVICES
    ),
    FlawKind.NOT_A_NUMBER: say(
        "kvmfr-size-not-a-number", "'{word}' is not a plain number of MiB"
    ),
}


class Sizes(NamedTuple):
    """What the module makes of one ``static_size_mb`` value.

    ``mib`` is one size a device. ``errors`` say why it will not load or makes no
    device, ``doubts`` why QEMU or Looking Glass will not like what it makes.
    """

    mib: tuple[int, ...] = ()
    errors: tuple[Message, ...] = ()
    doubts: tuple[Message, ...] = ()


class SizeSetting(NamedTuple):
    """The size for one command line: what wins, what it makes, what lost.

    ``option`` is None if nothing gives a size. An error in any value, the
    lost ones included, keeps the module from loading.
    """

    option: ModuleOption | None
    sizes: Sizes
    beaten: tuple[ModuleOption, ...] = ()

    @property
    def errors(self) -> tuple[Message, ...]:
        """Return why a module loaded with this makes no device; () if it does."""
        return self.sizes.errors

    @property
    def problems(self) -> tuple[Message, ...]:
        """Return why this size will not do, for the module, QEMU or the picture."""
        return self.sizes.errors or self.sizes.doubts

    @property
    def given(self) -> tuple[ModuleOption, ...]:
        """Return every value that is given, the lost ones first."""
        return (*self.beaten, self.option) if self.option else self.beaten


class KvmfrSettings(NamedTuple):
    """What the host is set to do about kvmfr.

    ``now`` goes by the arguments of the running kernel, ``following`` by those of
    the next boot, or by the running ones if the next are not known. ``loaded_by``
    and ``kept_out_by`` name the file or argument, for the next boot. ``foreign`` are
    parameters that kvmfr does not have, ``notes`` what seems meant for it and is not
    read. ``built_in`` tells that it is part of the kernel: only arguments count then.
    """

    now: SizeSetting
    following: SizeSetting
    loaded_by: str | Message | MissingFact | None
    kept_out_by: str | Message | MissingFact | None
    foreign: tuple[tuple[str, ModuleOption], ...]
    notes: tuple[Note, ...]
    built_in: bool = False

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrSettings:
        """Judge modprobe.d, modules-load.d and both command lines."""
        config = facts[ModuleConfig]
        if _is_built_in(facts):
            return cls._of_kernel(config, facts)
        now, following = facts[KernelCmdline].line, _next_line(facts)
        given = config.parameters(KVMFR, following)
        return cls(
            _setting(config, now),
            _setting(config, following),
            _or_missing(lambda: config.loaded_at_boot(KVMFR, following)),
            _or_missing(lambda: config.blacklisted(KVMFR, following)),
            tuple((name, option) for name, option in given if name != PARAMETER),
            config.notes(KVMFR),
        )

    @classmethod
    def _of_kernel(cls, config: ModuleConfig, facts: Facts) -> KvmfrSettings:
        """Judge the command lines alone."""
        now, following = (
            _of_arguments(config, line)
            for line in (facts[KernelCmdline].line, _next_line(facts))
        )
        return cls(now, following, BUILT_IN, None, (), (), built_in=True)

    def about(self, family: str) -> tuple[Note, ...]:
        """Return the notes on one family of folders, ``modprobe`` for one."""
        return tuple(note for note in self.notes if f"/{family}" in note.path)


class KvmfrSize(NamedTuple):
    """The size in MiB that the shared memory should have, and why."""

    mib: int
    why: Message

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> KvmfrSize:
        """Take ``--size``, what VMs map, what works now, or the largest mode.

        Raises `MissingFact` if ``--size`` is no size that a device may have.
        """
        asked = facts.options.size_mib
        if asked:
            if not is_good_size(asked):
                raise MissingFact(_refused(asked))
            return cls(asked, say("kvmfr-size-asked", "--size {mib}", mib=asked))
        there = _mapped(facts) or _working(facts)
        if there is not None:
            return there
        modes = facts[ConnectedModes].modes
        mib = recommended_mib(modes)
        if not modes:
            return cls(mib, NO_MONITOR)
        width, height = max(modes, key=lambda mode: idd_bytes(*mode))
        return cls(mib, LARGEST_MODE.filled(width=width, height=height))


def _mapped(facts: Facts) -> KvmfrSize | None:
    """Return the largest size that a VM maps, if a device may have it.

    QEMU does not start with a device that is smaller.
    """
    from vfio_doctor.facts.libvirt.guests import KvmfrVms

    sizes = [(mapped.size, vm.name) for vm, mapped in facts[KvmfrVms].vms]
    size, name = max(sizes, default=(0, ""))
    mib, rest = divmod(size, MIB)
    if rest or not is_good_size(mib):
        return None
    return KvmfrSize(mib, MAPPED.filled(vm=name))


def wanted_by_vm(facts: Facts) -> tuple[int, str]:
    """Return the MiB that VMs map of the first device, and who; 0 if they differ."""
    from vfio_doctor.facts.libvirt.guests import KvmfrVms

    found = {
        mapped.size: vm.name
        for vm, mapped in facts[KvmfrVms].vms
        if mapped.path == FIRST_NODE and not mapped.size % MIB
    }
    size, name = found.popitem() if len(found) == 1 else (0, "")
    return (size // MIB, name) if is_good_size(size // MIB) else (0, "")


def _working(facts: Facts) -> KvmfrSize | None:
    """Return the size of the only device if it works; None also if not known."""
    from vfio_doctor.facts.kvmfr.node import KvmfrSizes

    try:
        sizes = [known(size) for _, size in facts[KvmfrSizes].sizes]
    except MissingFact:
        return None
    mib, rest = divmod(sizes[0], MIB) if len(sizes) == 1 else (0, 0)
    return None if rest or not is_good_size(mib) else KvmfrSize(mib, HAS_NOW)


def size_by_hand(facts: Facts) -> Message:
    """Return the command that sets the size in the place that counts."""
    mib, why = facts[KvmfrSize]
    option, built_in = None, False
    try:
        option = facts[KvmfrSettings].following.option
        built_in = facts[KvmfrSettings].built_in
    except MissingFact:
        pass
    if built_in and option is None:
        return ADD_ARGUMENT.filled(mib=mib, why=why)
    if option and option.on_command_line:
        return say(
            "kvmfr-size-change-argument",
            "Change the kernel argument to kvmfr.static_size_mb={mib} ({why}): it wins"
            " over modprobe.d.",
            mib=mib,
            why=why,
        )
    elsewhere = not facts[Generated].yes
    if elsewhere and option and option.place and option.place.path != MODPROBE_FILE:
        # It may be read after another file, and then that would not count.
        return say(
            "kvmfr-size-change-line",
            "Change what {place} gives kvmfr to {parameter}={mib} ({why}).",
            place=str(option.place),
            parameter=PARAMETER,
            mib=mib,
            why=why,
        )
    write = say(
        "kvmfr-size-write-option",
        "Run `echo {line} | sudo tee {file}` ({why}).",
        line=option_line(str(mib)),
        file=MODPROBE_FILE,
        why=why,
    )
    return facts[Generated].advice(NIXOS_SIZE.filled(mib=mib), write)


class ConnectedModes(NamedTuple):
    """The preferred mode (width, height in pixels) of each connected output."""

    modes: tuple[tuple[int, int], ...]

    @classmethod
    def collect(cls, host: Reader, facts: Facts) -> ConnectedModes:
        """Read ``/sys/class/drm/card*-*``; what cannot be read is left out."""
        names = host.list(DRM)
        outputs = () if isinstance(names, Missing) else names
        return cls(tuple(_modes(host, outputs)))


def _modes(host: Reader, names: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    for name in names:
        if not name.startswith("card") or "-" not in name:
            continue
        status = read_text(host, f"{DRM}/{name}/status")
        if isinstance(status, Missing) or status.strip() != "connected":
            continue
        modes = read_text(host, f"{DRM}/{name}/modes")
        found = isinstance(modes, str) and re.match(r"(\d{1,5})x(\d{1,5})", modes)
        if found:
            yield int(found[1]), int(found[2])


def _is_built_in(facts: Facts) -> bool:
    """Tell whether kvmfr is known to be part of the running kernel."""
    try:
        loaded = facts[LoadedModules].has(KVMFR)
        return not loaded and facts[BuiltinModules].has(KVMFR)
    except MissingFact:
        return False


def _setting(config: ModuleConfig, line: CommandLine) -> SizeSetting:
    if config.effective(KVMFR, PARAMETER, line) is None:
        return SizeSetting(None, Sizes(errors=(NOT_SET,)))
    return _of_values(config.values(KVMFR, PARAMETER, line))


def _of_arguments(config: ModuleConfig, line: CommandLine) -> SizeSetting:
    values = config.values(KVMFR, PARAMETER, line)
    return _of_values(tuple(v for v in values if v.on_command_line))


def _of_values(values: tuple[ModuleOption, ...]) -> SizeSetting:
    if not values:
        return SizeSetting(None, Sizes(errors=(NOT_SET,)))
    option = values[-1]
    sizes = made_of(option.value)
    # The kernel stops at the first value it cannot parse, later good ones or not.
    wrong = tuple(
        say(
            "kvmfr-size-error-at",
            "{error} ({source})",
            error=_flaw(flaw),
            source=lost.source,
        )
        for lost in values[:-1]
        for flaw in unreadable(lost.value)
    )
    return SizeSetting(
        option, sizes._replace(errors=(*wrong, *sizes.errors)), values[:-1]
    )


def _next_line(facts: Facts) -> CommandLine:
    try:
        return known(facts[BootArguments].next)
    except MissingFact:
        return facts[KernelCmdline].line


def _or_missing(
    answer: Callable[[], str | Message | None],
) -> str | Message | MissingFact | None:
    try:
        return answer()
    except MissingFact as missing:
        return missing


def _refused(mib: int) -> Message:
    return say(
        "kvmfr-size-refused",
        "--size {mib}: the size has to be {wanted} MiB",
        mib=mib,
        wanted=WANTED_SIZE,
    )


def _flaw(flaw: Flaw) -> Message:
    said = _FLAWS[flaw.kind]
    named = flaw.kind is FlawKind.NOT_A_NUMBER
    return said.filled(word=flaw.word) if named else said


def made_of(value: str | None) -> Sizes:
    """Return what the module makes of ``static_size_mb=VALUE``; never raises."""
    bad = unreadable(value)
    if bad or value is None:
        return Sizes(errors=tuple(_flaw(flaw) for flaw in bad))
    mib = numbers(value)
    errors = tuple(error for n in mib for error in (_error(n),) if error)
    return Sizes(mib, errors, () if errors else tuple(_doubts(mib)))


def idd_bytes(width: int, height: int) -> int:
    """Return the bytes that the current releases need, SDR and HDR alike."""
    row = -(-width * 4 // 256) * 256
    return row * height * 3 + 4 * MIB


def b7_bytes(width: int, height: int, hdr: bool = False) -> int:
    """Return the bytes that release B7 and older ones need."""
    return width * height * (8 if hdr else 4) * 2 + 10 * MIB


def power_of_two_mib(size: int) -> int:
    """Return the least power of two of MiB that holds ``size`` bytes."""
    return 1 << (-(-size // MIB) - 1).bit_length()


def recommended_mib(modes: Iterable[tuple[int, int]]) -> int:
    """Return the size for the largest of these modes, 32 to 1024 MiB.

    The larger formula counts, since the release in use is not known; without a
    mode the usual size is returned.
    """
    needs = [mib_for(width, height) for width, height in modes]
    return min(max(needs), LARGEST) if needs else USUAL


def mib_for(width: int, height: int, hdr: bool = False) -> int:
    """Return the MiB for a picture, whatever release is in use; at least 32."""
    need = max(idd_bytes(width, height), b7_bytes(width, height, hdr))
    return max(power_of_two_mib(need), SMALLEST)


def _error(mib: int) -> Message | None:
    if mib <= 0:
        return say(
            "kvmfr-size-none",
            "{mib} MiB: the module cannot make a device of that size",
            mib=mib,
        )
    if mib >= TOO_LARGE:
        return say(
            "kvmfr-size-too-large",
            "{mib} MiB: the module can make at most {largest} MiB",
            mib=mib,
            largest=LARGEST,
        )
    return None


def _doubts(sizes: tuple[int, ...]) -> Iterable[Message]:
    for mib in sizes:
        if not is_power_of_two(mib):
            yield say(
                "kvmfr-size-no-power-of-two",
                "{mib} MiB is not a power of two: QEMU stops with an error",
                mib=mib,
            )
        elif mib < SMALLEST:
            yield say(
                "kvmfr-size-too-small",
                "{mib} MiB holds less than a 1920x1080 picture",
                mib=mib,
            )
