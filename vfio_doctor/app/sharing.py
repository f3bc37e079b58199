"""What of a host may be shown to others: the redacted capture of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfio_doctor.facts.accounts import HumanUser
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.recorder import Recorder
from vfio_doctor.messages import say
from vfio_doctor.value import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfio_doctor.diagnosis.registry import Registry
    from vfio_doctor.facts.base import Options
    from vfio_doctor.host.captured import Capture
    from vfio_doctor.host.reader import Reader
    from vfio_doctor.model import Message, Told

# Neither a path of the reporter's nor of the triager's.
SOURCE = "the captured host"


# A plug-in's name, and what Python says of it, may tell who made it and where it is.
UNNAMED = say("plug-in-unnamed", "a plug-in (a report for others does not name it)")


class Shared(NamedTuple):
    """A host as others may see it, and the options that mean the same there."""

    host: CapturedHost
    options: Options


def shared(
    host: Reader, options: Options, look: Callable[[Reader, Facts], object]
) -> Shared:
    """Return the redacted host; ``look`` reads of a real one what will be asked."""
    from vfio_doctor.host.redaction.redact import redact

    recorder = Recorder(host)
    facts = Facts(recorder, options)
    look(recorder, facts)
    options = by_uid(facts, options)
    made = redact(whole(host, recorder)).capture
    name = SOURCE if isinstance(host, CapturedHost) else host.name
    return Shared(CapturedHost(made._replace(name=name)), options)


def unnamed(registry: Registry) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Return plug-ins that are broken, and that took part, without their names."""
    problems, plugins = registry.problems, registry.plugins
    return (UNNAMED,) * len(problems), (str(UNNAMED),) * len(plugins)


def told_of(registry: Registry, hide: bool) -> tuple[tuple[Told, ...], tuple[str, ...]]:
    """Return what kept rules from taking part, and which plug-ins gave some."""
    return unnamed(registry) if hide else (registry.problems, registry.plugins)


def whole(host: Reader, recorder: Recorder) -> Capture:
    """Return all of a capture, or of a real host what was read."""
    return host.capture if isinstance(host, CapturedHost) else recorder.capture()


def by_uid(facts: Facts, options: Options) -> Options:
    """Return the options with the chosen person as a number, which stays."""
    if not options.user:
        return options
    try:
        return options._replace(user=str(facts[HumanUser].uid))
    except MissingFact:
        return options._replace(user="")
