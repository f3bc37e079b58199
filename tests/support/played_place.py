"""A place for commands on a played machine: root, and nobody at a terminal."""

from __future__ import annotations

from support import played_images
from support import played_machine as played
from vfio_doctor.app.chosen import Chosen
from vfio_doctor.app.diagnosis import Diagnosed, options_of
from vfio_doctor.app.place import Place
from vfio_doctor.diagnosis.judge import ahead, diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.diagnosis.report import assemble
from vfio_doctor.facts.base import Facts
from vfio_doctor.model import RunInfo


def place(host: played.PlayedHost) -> Place:
    def look(chosen: Chosen) -> Diagnosed:
        facts = Facts(host, options_of(chosen))
        registry = load(facts, chosen.select)
        results = diagnose(facts, registry, chosen.select, chosen.skip)
        if chosen.ahead:
            results = ahead(facts, registry, results)
        info = RunInfo("2026-01-01T00:00:00Z", 0, "this host")
        return Diagnosed(host, facts, registry, assemble(host, facts, results, info))

    made = played_images.machine(host)
    return Place(
        lambda: host,
        look,
        lambda _, tool: made._replace(backend=tool),
        lambda: True,
        lambda: False,
    )
