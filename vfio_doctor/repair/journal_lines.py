"""The lines of a journal: values as text and back, and the story they tell.

A line is sixteen hexadecimal digits (the start of the SHA-256 of what follows), a
blank, one JSON object. Lines are only ever added. A last line that was torn by a
crash has the wrong digits or no line end; what it would have said did not happen
yet, because nothing is done before its line is on the disk.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from enum import Enum
from typing import TYPE_CHECKING, Any

from vfio_doctor.messages import say, verbatim
from vfio_doctor.model import (
    CommandStep,
    DomainStep,
    FileStep,
    Message,
    NodeStep,
    ParameterStep,
    ProbeStep,
)
from vfio_doctor.places import as_fields, from_fields
from vfio_doctor.repair.guards import as_word, from_word
from vfio_doctor.repair.image_digests import ImageDigest
from vfio_doctor.repair.syscalls import Held
from vfio_doctor.repair.values import OldPlace, PlannedStep, Served, StepState
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from vfio_doctor.boot.backend import ArgumentEdit
    from vfio_doctor.messages import Value
    from vfio_doctor.model import Step

DIGITS = 16
BINDS = "bind-card"
# The journal's form. A greater number means: what it says may not be understood,
# so the run is named and left alone. Fields that are not known are ignored; a kind
# or state that is not known makes the run unreadable.
VERSION = 1
KINDS: dict[str, type[Step]] = {
    "file": FileStep,
    "node": NodeStep,
    "command": CommandStep,
    "parameter": ParameterStep,
    "probe": ProbeStep,
    "domain": DomainStep,
}


class RunState(Enum):
    """Where a run stands: OPEN means that it was interrupted, or goes on now."""

    OPEN = "open"
    DONE = "done"
    UNDONE = "undone"


class RunFix(NamedTuple):
    """A fix that was part of a run."""

    id: str
    summary: Message
    reboot: bool
    findings: tuple[Served, ...]


class Beginning(NamedTuple):
    """What a run set out to do; the first line of its journal.

    ``before`` and ``after`` are the words of the next boot, both () where the
    run leaves the kernel arguments alone. ``boot`` is the kernel's boot id,
    ``sequence`` the run's number on this host, whatever the clock says; ``menu``:
    the boot menu could be read; ``takes_back`` are runs whose work this one undoes;
    ``images`` are those that it makes anew, as they were.
    """

    run: str
    started: str
    boot: str
    steps: tuple[PlannedStep, ...]
    fixes: tuple[RunFix, ...] = ()
    tool: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    sequence: int = 0
    menu: bool = False
    takes_back: tuple[str, ...] = ()
    images: tuple[ImageDigest, ...] = ()

    @property
    def edit(self) -> ArgumentEdit:
        """Return what the run makes of the next boot's words."""
        from vfio_doctor.boot.backend import ArgumentEdit

        return ArgumentEdit(self.before, self.after)


class Entry(NamedTuple):
    """One step's story. ``begun``: its act or its undoing began and did not end.

    ``made`` is the digest of what another program made of it, "" if none did.
    """

    step: PlannedStep
    state: StepState = StepState.WAITING
    why: Message | None = None
    old: Held | None = None
    folders: tuple[str, ...] = ()
    begun: bool = False
    made: str = ""


class Unreadable(NamedTuple):
    """A run whose journal cannot be believed or understood, and why."""

    run: str
    why: Message


class Run(NamedTuple):
    """One run as its journal tells it; ``undoing`` once it turned back.

    ``asked``: because a person wanted it, and not since it failed or was stopped.

    ``damaged`` counts lines that cannot be read and are not a torn end. ``ended`` is
    the boot id of when it was over, "" in journals of before.
    """

    beginning: Beginning
    entries: tuple[Entry, ...]
    state: RunState
    undoing: bool = False
    damaged: int = 0
    ended: str = ""
    asked: bool = False

    @property
    def id(self) -> str:
        """Return the run's id, which is the name of its folder."""
        return self.beginning.run

    @property
    def binds(self) -> bool:
        """Tell whether it has bound a card, which is looked at item by item."""
        return any(fix.id == BINDS for fix in self.beginning.fixes)


def standing(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Return the runs whose work is there: not undone, nor torn down by another."""
    left = tuple(run for run in runs if run.state is not RunState.UNDONE)
    down = {name for run in left for name in run.beginning.takes_back}
    return tuple(run for run in left if run.id not in down)


def line(value: dict[str, object]) -> bytes:
    """Return one line of the journal."""
    import json

    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return f"{_digits(text)} {text}\n".encode("ascii")


def split(data: bytes) -> tuple[tuple[dict[str, Any], ...], int, int]:
    """Return the lines that hold, how many are damaged, and where the end is sound.

    The third number is the length up to which the file may be kept: what is
    behind it is a torn end.
    """
    found: list[dict[str, Any]] = []
    bad, pending, sound, at = 0, 0, 0, 0
    for raw in data.splitlines(keepends=True):
        at += len(raw)
        value = _value(raw)
        if value is None:
            pending += 1
            continue
        found.append(value)
        bad, pending, sound = bad + pending, 0, at
    return tuple(found), bad, sound


NO_BEGINNING = say("journal-no-beginning", "its first line is damaged")
NEWER = say("journal-newer", "a newer version of this program has written it")
NOT_UNDERSTOOD = say("journal-not-understood", "a line of it is not understood: {what}")


def read(name: str, data: bytes) -> Run | Unreadable | None:
    """Return what the journal in the folder ``name`` tells. Never raises.

    None stands for a run that did not even begin: at most a torn line is there.
    """
    try:
        run = story(data)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        return Unreadable(name, NOT_UNDERSTOOD.filled(what=what))
    except NotForUs as reason:
        return Unreadable(name, reason.message)
    if run is not None and run.id != name:
        what = f"run {run.id}"
        return Unreadable(name, NOT_UNDERSTOOD.filled(what=what))
    return run


class NotForUs(Exception):
    """A journal that is not to be used; ``message`` says why."""

    def __init__(self, message: Message) -> None:
        """Take the reason."""
        super().__init__(message)
        self.message = message


def story(data: bytes) -> Run | None:
    """Return what a journal tells, None where it did not even begin.

    Raises `NotForUs`, and what Python raises for values of other shapes.
    """
    values, damaged, _ = split(data)
    if not values and b"\n" not in data:
        return None
    if not values or values[0].get("is") != "begin":
        raise NotForUs(NO_BEGINNING)
    if int(values[0].get("version", VERSION)) > VERSION:
        raise NotForUs(NEWER)
    beginning = _beginning(values[0])
    entries = [Entry(step) for step in beginning.steps]
    state, undoing, ended, asked = RunState.OPEN, False, "", False
    for value in values[1:]:
        what = value["is"]
        if what == "end":
            state = RunState(value["state"])
            ended = str(value.get("boot", ""))
        elif what == "turn":
            state, undoing = RunState.OPEN, True
            asked = value.get("asked") is True
        else:
            number = range(len(entries))[value["n"]]
            entries[number] = _after(entries[number], value)
    return Run(beginning, tuple(entries), state, undoing, damaged, ended, asked)


def _after(entry: Entry, value: dict[str, Any]) -> Entry:
    what = value["is"]
    if what == "act":
        old, folders = unpack_held(value["old"]), tuple(value["folders"])
        return entry._replace(old=old, folders=folders, begun=True)
    if what == "anew":
        return entry._replace(step=_anew(entry.step, unpack_step(value["step"])))
    if what == "made":
        return entry._replace(made=_str(value["digest"]))
    if what == "back":
        return entry._replace(begun=True)
    why = unpack_message(value.get("why"))
    return entry._replace(state=StepState(what), why=why, begun=False)


def _anew(planned: PlannedStep, step: Step) -> PlannedStep:
    """Return what became of a step's plan: the same file, with other bytes."""
    was = planned.step
    if not isinstance(was, FileStep) or not isinstance(step, FileStep):
        raise TypeError("a step of another kind")
    if was.path != step.path:
        raise ValueError(f"another file than {was.path}")
    return planned._replace(step=step)


def begin_value(beginning: Beginning) -> dict[str, object]:
    """Return the first line's value."""
    return {
        "is": "begin",
        "version": VERSION,
        **beginning._asdict(),
        "steps": [
            {
                **planned._asdict(),
                "step": pack_step(planned.step),
                "guards": [as_word(guard) for guard in planned.guards],
            }
            for planned in beginning.steps
        ],
        "fixes": [
            {
                **fix._asdict(),
                "summary": pack_message(fix.summary),
                "findings": [_pack_served(found) for found in fix.findings],
            }
            for fix in beginning.fixes
        ],
    }


def _beginning(value: dict[str, Any]) -> Beginning:
    steps = tuple(
        PlannedStep(
            unpack_step(each["step"]),
            tuple(each["fixes"]),
            tuple(map(from_word, each["guards"])),
            each["arguments"],
        )
        for each in value["steps"]
    )
    fixes = tuple(
        RunFix(
            f["id"],
            unpack_message(f["summary"]) or verbatim(""),
            f["reboot"],
            tuple(map(_served, f["findings"])),
        )
        for f in value["fixes"]
    )
    return Beginning(
        _str(value["run"]),
        _str(value["started"]),
        _str(value["boot"]),
        steps,
        fixes,
        _str(value["tool"]),
        _words(value["before"]),
        _words(value["after"]),
        int(value.get("sequence", 0)),
        value.get("menu", False) is True,
        _words(value.get("takes_back", [])),
        tuple(ImageDigest(*_words(one)) for one in value.get("images", [])),
    )


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise TypeError("not a list of words")
    return tuple(value)


def _pack_served(served: Served) -> list[object]:
    if isinstance(served.place, OldPlace):
        return [served.check, served.subject]
    return [served.check, as_fields(served.place)]


def _served(row: list[Any]) -> Served:
    """Return a finding; before places were typed, a journal had their text."""
    check, place = row
    known = isinstance(place, dict)
    return Served(check, from_fields(place) if known else OldPlace(place))


def pack_message(message: Message | None) -> dict[str, object] | None:
    """Return a message as plain values; its parameters keep their order."""
    if message is None:
        return None
    params = [[name, _pack_value(value)] for name, value in message.params]
    return {"id": message.id, "template": message.template, "params": params}


def _pack_value(value: Value) -> object:
    if isinstance(value, Message):
        return pack_message(value)
    return [_pack_value(item) for item in value] if isinstance(value, tuple) else value


def unpack_message(value: dict[str, Any] | str | None) -> Message | None:
    """Return the message that `pack_message` made plain.

    Before messages were typed, a journal had their English, "" for none.
    """
    if not value:
        return None
    if isinstance(value, str):
        return verbatim(value)
    params = tuple((name, _unpack_value(each)) for name, each in value["params"])
    return Message(value["id"], value["template"], params)


def _unpack_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack_value(item) for item in value)
    return unpack_message(value) if isinstance(value, dict) else value


def pack_step(step: Step) -> dict[str, object]:
    """Return a step as plain values."""
    kind = next(name for name, type_ in KINDS.items() if isinstance(step, type_))
    fields: dict[str, object] = step._asdict()
    packed = {n: _text(v) if isinstance(v, bytes) else v for n, v in fields.items()}
    if isinstance(step, CommandStep):
        packed["why"] = pack_message(step.why)
    return {"kind": kind, **packed}


def unpack_step(value: dict[str, Any]) -> Step:
    """Return the step that `pack_step` made plain."""
    kind = KINDS[value["kind"]]
    fields = {n: v for n, v in value.items() if n in kind._fields}
    if kind in (FileStep, DomainStep):
        for name in ("before", "after"):
            fields[name] = _bytes(fields[name])
    if kind is CommandStep:
        fields["why"] = unpack_message(fields["why"])
        fields["argv"] = _words(fields["argv"])
        fields["inverse"] = _words(fields["inverse"])
        for name in ("shows", "makes"):
            fields[name] = _words(fields.get(name, []))
    else:
        _str(fields["path"])
    fields = {n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()}
    return kind(**fields)


def pack_held(held: Held | None) -> dict[str, object] | None:
    """Return a file as plain values."""
    if held is None:
        return None
    xattrs = [[name, _text(value)] for name, value in held.xattrs]
    return {**held._asdict(), "data": _text(held.data), "xattrs": xattrs}


def unpack_held(value: dict[str, Any] | None) -> Held | None:
    """Return the file that `pack_held` made plain."""
    if value is None:
        return None
    xattrs = tuple((_str(name), _decoded(text)) for name, text in value["xattrs"])
    numbers = (value["mode"], value["uid"], value["gid"])
    if not all(type(number) is int for number in numbers):
        raise TypeError("a mode or owner that is no number")
    return Held(_decoded(value["data"]), *numbers, xattrs)


def _value(raw: bytes) -> dict[str, Any] | None:
    import json

    try:
        digits, blank, text = raw.decode("ascii").partition(" ")
    except UnicodeDecodeError:
        return None
    if not text.endswith("\n") or digits != _digits(text[:-1]) or not blank:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _digits(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode("ascii")).hexdigest()[:DIGITS]


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else _decoded(text)


def _decoded(text: str) -> bytes:
    return b64decode(text, validate=True)


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text that is none")
    return value
