"""Every rule and every fix keeps the promises of docs/design.md, section 3."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from support.fixture_hosts import catalogue, verdicts
from support.fixture_hosts.writing import different
from support.rows import for_each
from vfio_doctor.api import (
    Check,
    Facts,
    Fix,
    Missing,
    MissingFact,
    Options,
    Severity,
    Why,
)
from vfio_doctor.diagnosis.judge import judge
from vfio_doctor.diagnosis.registry import Registry, load
from vfio_doctor.docs.page import CODE, SECTIONS, read
from vfio_doctor.facts.base import known
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.model import CheckResult, Status

NAMES = catalogue.names()
REGISTRY = load()
RULES = [pytest.param(check, id=check.id) for check in REGISTRY.checks]
FIXES = [pytest.param(fix, id=fix.id) for fix in REGISTRY.fixes]
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
# What a rule must not be called after: the cure, or a feeling.
BAD_WORDS = re.compile(r"(^|-)(use|avoid|prefer|enable|should|bad|invalid)(-|$)")


class RecordingFacts(Facts):
    """Facts that remember which types a check asks for itself."""

    def __init__(self, host: CapturedHost) -> None:
        super().__init__(host)
        self.asked: set[type] = set()
        self.depth = 0

    def __getitem__(self, kind: type[Any]) -> Any:
        if not self.depth:
            self.asked.add(kind)
        self.depth += 1
        try:
            return super().__getitem__(kind)
        finally:
            self.depth -= 1


def host(name: str) -> CapturedHost:
    return catalogue.host(name)


@cache
def closed(name: str) -> CapturedHost:
    """The host as somebody sees it who may read nothing at all."""
    seen = host(name).capture
    hidden = Capture.empty(f"{name}, all denied", seen.caller)
    hidden.lists["/"] = Missing("/", Why.DENIED)
    tables: list[tuple[dict[Any, Any], dict[Any, Any]]] = [
        (seen.files, hidden.files),
        (seen.stats, hidden.stats),
        (seen.lists, hidden.lists),
        (seen.commands, hidden.commands),
        (seen.udev, hidden.udev),
        (seen.probes, hidden.probes),
    ]
    for table, own in tables:
        own.update({key: Missing(str(key), Why.DENIED) for key in table})
    return CapturedHost(hidden)


def hosts_with(check: type[Check], status: str) -> list[str]:
    return verdicts.hosts_where(check.id, status)


def test_there_are_fixtures() -> None:
    assert len(NAMES) >= 60
    assert len(catalogue.files()) >= 24
    assert {name.split("-")[0] for name in NAMES} >= {"healthy", "real"}


@for_each("name", NAMES)
def test_host_is_judged_as_expected(name: str) -> None:
    expected = {
        check.id: verdicts.expected(check.id, name) for check in REGISTRY.checks
    }
    assert verdicts.judged(name) == expected


@for_each("name", NAMES)
def test_what_a_host_is_like_is_a_host(name: str) -> None:
    assert catalogue.like(name) in ("", *NAMES)


def test_verdicts_are_written_as_scripts_fixtures_would() -> None:
    assert different(verdicts.FOLDER) == {}, "run scripts/fixtures and read the diff"


def test_ids_are_unique_among_checks_and_fixes() -> None:
    ids = [c.id for c in REGISTRY.checks] + [f.id for f in REGISTRY.fixes]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("check", RULES)
def test_constants(check: type[Check]) -> None:
    assert ID.fullmatch(check.id)
    assert not BAD_WORDS.search(check.id)
    assert isinstance(check.severity, Severity)
    assert check.title
    assert not check.title.endswith(".")
    assert "!" not in check.title
    assert all(REGISTRY.check(name) for name in check.requires)
    assert len(check.title) <= 60


@pytest.mark.parametrize("check", RULES)
def test_page_has_its_sections_in_order(check: type[Check]) -> None:
    page = read(check.__doc__ or "")
    assert page.summary.endswith(".")
    assert tuple(heading for heading, _ in page.sections) == SECTIONS
    assert all(lines for _, lines in page.sections)
    commands = dict(page.sections)["See it yourself:"]
    assert any(line.startswith(CODE) for line in commands)
    assert "!" not in page.summary
    assert "(fill in" not in (check.__doc__ or "").lower()


def test_requirements_have_no_circle() -> None:
    def walk(check_id: str, path: tuple[str, ...]) -> None:
        assert check_id not in path, f"{' > '.join((*path, check_id))}"
        check = REGISTRY.check(check_id)
        for name in check.requires if check else ():
            walk(name, (*path, check_id))

    for check in REGISTRY.checks:
        walk(check.id, ())


@pytest.mark.parametrize("check", RULES)
def test_a_verdict_rests_on_facts(check: type[Check]) -> None:
    # A part of the hosts for each: which part, the rule's name decides.
    for name in NAMES[len(check.id) % 8 :: 8]:
        facts = RecordingFacts(host(name))
        judge(check, facts, Registry((check,), ()))
        assert facts.asked, f"judged {name} without asking anything"


@for_each("check", RULES)
def test_some_host_passes_and_some_host_fails(check: type[Check]) -> None:
    assert hosts_with(check, "pass")
    assert hosts_with(check, "fail")


@pytest.mark.parametrize("check", RULES)
def test_a_host_that_shows_nothing_is_never_fine(check: type[Check]) -> None:
    names = hosts_with(check, "pass") + hosts_with(check, "fail")
    for name in names:
        facts = Facts(closed(name), Options(areas=("kvmfr",)))
        result = judge(check, facts, Registry((check,), ()))
        assert result.status is Status.UNKNOWN, (name, result)
        assert result.reason


@pytest.mark.parametrize("check", RULES)
def test_findings_read_well(check: type[Check]) -> None:
    for name in hosts_with(check, "fail"):
        result = judge(check, Facts(host(name)), REGISTRY)
        for diagnosis in result.diagnoses:
            finding = diagnosis.finding
            assert finding.subject
            assert str(finding.message).endswith(".")
            assert "{" not in re.sub(r"`[^`]*`", "", str(finding.message))
            assert "!" not in f"{finding.message}{finding.advice}"
            assert "\n" not in f"{finding.message}{finding.advice}"
            assert finding.evidence
            assert diagnosis.fix or finding.advice, "nothing to do about it"
            assert f"{finding.advice}".count("`") % 2 == 0


@for_each("fix", FIXES)
def test_fix_keeps_its_promises(fix: type[Fix]) -> None:
    assert ID.fullmatch(fix.id)
    assert fix.solves
    assert all(REGISTRY.check(name) for name in fix.solves)
    assert fix.summary
    assert "\n" not in fix.summary
    assert (fix.__doc__ or "").strip()


@for_each("fix", FIXES)
def test_fix_can_be_made_on_some_host(fix: type[Fix]) -> None:
    assert any(offer_of(fix, check, name) for check, name in failing(fix))


def failing(fix: type[Fix]) -> list[tuple[type[Check], str]]:
    checks = [c for c in REGISTRY.checks if c.id in fix.solves]
    return [(check, name) for check in checks for name in hosts_with(check, "fail")]


def offer_of(fix: type[Fix], check: type[Check], name: str) -> bool:
    facts = Facts(host(name), Options(ignore_msrs=True))
    result: CheckResult = judge(check, facts, Registry((check,), (fix,)))
    return any(d.fix is not None and not d.fix.cannot for d in result.diagnoses)


def test_known_says_that_root_would_see_it() -> None:
    with pytest.raises(MissingFact, match="run as root"):
        known(Missing("/x", Why.DENIED))
