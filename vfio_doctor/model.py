"""The values that travel through the program: standard library only.

Everything here is frozen. Nothing here reads a file or starts a process.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from vfio_doctor.language import spoken
from vfio_doctor.messages import Message as Message
from vfio_doctor.steps import CommandStep as CommandStep
from vfio_doctor.steps import DomainStep as DomainStep
from vfio_doctor.steps import FileStep as FileStep
from vfio_doctor.steps import NodeStep as NodeStep
from vfio_doctor.steps import ParameterStep as ParameterStep
from vfio_doctor.steps import ProbeStep as ProbeStep
from vfio_doctor.steps import Step as Step
from vfio_doctor.value import NamedTuple, Variant

if TYPE_CHECKING:
    from vfio_doctor.places import Place


class Severity(IntEnum):
    """How bad a finding is, by its effect on the person who runs the VM."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """Return the word reports use: ``info``, ``warning`` or ``error``."""
        return self.name.lower()


class Status(Enum):
    """How one check ended."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    ERROR = "error"


class Actor(Enum):
    """Who has to act so that a finding goes away."""

    TOOL = "tool"
    USER = "user"
    FIRMWARE = "firmware"
    VENDOR = "vendor"


class Applicability(Enum):
    """What ``--fix`` may do with a fix."""

    SAFE = "safe"
    RISKY = "risky"
    MANUAL = "manual"


class Evidence(NamedTuple):
    """One observation: where it was made, what was seen, what was expected."""

    source: str | Message
    observed: str | Message
    expected: str | Message = ""


class Finding(NamedTuple):
    """One fault in one place, and what the person may do about it by hand."""

    place: Place
    message: Message
    evidence: tuple[Evidence, ...] = ()
    severity: Severity | None = None
    advice: Message | None = None
    who_acts: Actor = Actor.USER

    @property
    def subject(self) -> str:
        """Return the place as text."""
        return str(self.place)


class FixOffer(NamedTuple):
    """What a fix would do about a finding, or why it ``cannot``.

    ``may_be_lost`` says what a risky fix can cost. ``changes`` are what the fix
    asks for; empty where it cannot.
    """

    id: str
    applicability: Applicability
    summary: Message
    reboot: bool
    cannot: Message | None = None
    may_be_lost: Message | None = None
    changes: tuple[Change, ...] = ()


class Diagnosis(NamedTuple):
    """One finding with the fix offered for it on this host."""

    finding: Finding
    severity: Severity
    fix: FixOffer | None = None


class CheckResult(NamedTuple):
    """How one check ended on this host, and what it found.

    ``needs_root`` is true where a reading was denied: root would see more.
    ``explains`` is false where what it finds is never the cause of another fault.
    """

    id: str
    title: str
    severity: Severity
    status: Status
    reason: Message | None = None
    blocked_by: tuple[str, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    trace: str = ""
    needs_root: bool = False
    explains: bool = True

    @property
    def heading(self) -> str:
        """Return the title as it is spoken; ``title`` is for programs."""
        return spoken(f"{self.id}.title", self.title)


# --- Changes: few kinds, declarative, each with an inverse (DESIGN section 4) ---


class KernelArguments(Variant):
    """Kernel arguments wanted at the next boot.

    ``set_`` holds exact tokens: every other value of the same parameter goes,
    both spellings (``-`` and ``_``) included. ``remove`` holds exact tokens.
    ``add_items`` and ``remove_items`` hold ``(key, item)`` pairs and edit inside
    a comma-separated value such as ``intel_iommu=on,sm_on``.
    """

    set_: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    add_items: tuple[tuple[str, str], ...] = ()
    remove_items: tuple[tuple[str, str], ...] = ()


class WriteFile(Variant):
    """The whole wanted content of a text file; owner, mode, label are kept.

    ``mode`` counts only where the file is new.
    """

    path: str
    text: str
    mode: int = 0o644


class EditLine(Variant):
    """Replace one exact line of a file, or append one where ``old`` is empty.

    Without ``new`` the line is deleted. The line end is kept.
    """

    path: str
    old: str
    new: str | None


class DeleteFile(Variant):
    """Remove a file, a leftover node included; ``why`` is shown in the plan."""

    path: str
    why: Message


class UdevTrigger(Variant):
    """Reload the udev rules and replay ``add`` for one subsystem."""

    subsystem: str


class LoadModule(Variant):
    """Load a kernel module now; ``reload`` unloads it first where nobody uses it."""

    name: str
    reload: bool = False


class RuntimeParameter(Variant):
    """Write a value below ``/sys/module/*/parameters`` or ``/proc/sys`` now."""

    path: str
    value: str


class ProbeDriver(Variant):
    """Have the kernel look for a driver of a PCI function: ``driver`` is to take it."""

    address: str
    driver: str


class RestartService(Variant):
    """Restart a systemd unit that no running VM depends on."""

    unit: str


class EnableUnit(Variant):
    """Have systemd start a unit at boot, and now, unless it is at work already.

    ``start`` is False then: to take it back would stop what ran before.
    """

    unit: str
    start: bool = True


class DisableUnit(Variant):
    """Have systemd no longer start a unit at boot; what runs goes on."""

    unit: str


class FileContext(Variant):
    """Set a local SELinux file context and relabel what matches it."""

    pattern: str
    type: str
    path: str


class DropContext(Variant):
    """Take a local SELinux file context out; what it labelled keeps its label."""

    pattern: str


class DisablePolicy(Variant):
    """Switch a local SELinux policy module off, which can be switched on again."""

    name: str


class OwnInitramfsBack(Variant):
    """Have rpm-ostree make the initramfs on this machine as before a set-up, or not.

    ``arguments`` are dracut's, if it is ``made``.
    """

    made: bool
    arguments: tuple[str, ...] = ()


class PolicyModule(Variant):
    """Have SELinux load a local policy module; ``path`` is its text, which is there.

    The module has the name of the file, without ``.cil``.
    """

    path: str


class RebuildImages(Variant):
    """Make the initramfs of every installed kernel anew, behind all files.

    Each image is to load ``modules`` before any other driver, in this order, and to
    hold ``files``; both are read back from what was made.
    """

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


Change = (
    KernelArguments
    | WriteFile
    | EditLine
    | DeleteFile
    | UdevTrigger
    | LoadModule
    | RuntimeParameter
    | ProbeDriver
    | RestartService
    | EnableUnit
    | DisableUnit
    | FileContext
    | DropContext
    | DisablePolicy
    | OwnInitramfsBack
    | PolicyModule
    | RebuildImages
)


class Terms(NamedTuple):
    """What a fix says of one repair, if its class does not say it for all.

    ``may_be_lost`` says what a risky repair can cost; ``reboot`` that part of it takes
    effect at the next boot only.
    """

    summary: Message | None = None
    applicability: Applicability | None = None
    may_be_lost: Message | None = None
    reboot: bool = False


# --- The report: what every printer reads ---


class ToolInfo(NamedTuple):
    """Which program judged, and the plug-ins whose rules took part.

    ``problems`` says of each plug-in that could not be loaded why.
    """

    name: str
    version: str
    problems: tuple[Told, ...] = ()
    plugins: tuple[str, ...] = ()


class RunInfo(NamedTuple):
    """What may differ between two runs over equal input, and nothing else.

    ``started`` is UTC in ISO 8601, ``source`` names what was read (``this host``
    or a capture's path); ``redacted`` is true if only what is known to be harmless
    is in the report.
    """

    started: str
    duration_ms: int
    source: str
    redacted: bool = False


# Something told of the host, as data; or a message: in words, or why it is not known.
Told = str | Message


class HostInfo(NamedTuple):
    """The host, part by part.

    ``uid`` is the account that read the host, ``user`` the person who will run
    the VM, ``container`` is "" outside of one.
    """

    os: Told
    image: Told
    kernel: Told
    cpu: Told
    machine: Told
    container: Told
    user: Told
    uid: int


class BootInfo(NamedTuple):
    """How the host boots, and its kernel arguments now and next time.

    Arguments are one line each, as spelt.
    """

    stack: Told
    now: Told
    now_source: Told
    next: Told
    next_source: Told


class Summary(NamedTuple):
    """Counts by status and by severity, and the checks to look at first.

    ``severities`` counts findings, ``statuses`` counts checks; both name every
    word, zero or not. ``root_causes`` are check ids, worst first.
    """

    statuses: tuple[tuple[str, int], ...]
    severities: tuple[tuple[str, int], ...]
    root_causes: tuple[str, ...]


class Waiting(NamedTuple):
    """How many problems that wait for others a repair mends with them.

    ``risky`` are those that it mends only with --risky.
    """

    safe: int = 0
    risky: int = 0


class Report(NamedTuple):
    """One diagnosis of one host, ready to be printed.

    ``plan`` and ``results`` belong to the repair; None where none was asked for.
    ``waiting`` is what a repair would mend besides the findings.
    """

    tool: ToolInfo
    run: RunInfo
    host: HostInfo
    boot: BootInfo
    summary: Summary
    checks: tuple[CheckResult, ...]
    plan: object | None = None
    results: tuple[object, ...] | None = None
    waiting: Waiting = Waiting()
