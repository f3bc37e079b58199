"""Pages for a browser: well formed, self-contained, and hostile names stay text."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from support.reports import of_fixture, of_results
from support.rows import for_each
from support.web_pages import HOSTS, Reader, page_of, row
from vfio_doctor.messages import verbatim
from vfio_doctor.model import (
    CheckResult,
    Diagnosis,
    Evidence,
    Finding,
    Severity,
    Status,
)
from vfio_doctor.places import NodePlace
from vfio_doctor.report.order import failed
from vfio_doctor.report.pasted import CANONICAL, Called
from vfio_doctor.report.triage import Row
from vfio_doctor.report.web import fleet
from vfio_doctor.report.web.markup import words
from vfio_doctor.report.web.page import Parts, render

MEAN = (
    "\x1b]0;x\u202e\ud800<script>alert(1)</script>\"'><img src=x onerror=alert(1)>`"
    "</style></details><!-- &lt; -->"
)
# What a page may consist of: nothing that loads, runs or sends.
TAGS = frozenset(
    ("html", "head", "meta", "title", "style", "body", "main", "footer", "a")
    + ("h1", "h2", "h3", "h4", "h5", "p", "div", "section", "span", "strong", "code")
    + ("pre", "ins", "del", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary")
    + ("table", "thead", "tbody", "tr", "th", "td", "figure")
    + ("svg", "rect", "circle", "text")
)


@pytest.mark.parametrize("name", HOSTS)
def test_a_page_is_well_formed_and_loads_nothing(name: str) -> None:
    read = Reader(page_of(name))
    assert read.tags <= TAGS
    assert not [a for a, _ in read.attributes if a.startswith("on") or a == "style"]
    links = [value for a, value in read.attributes if a in ("href", "src")]
    assert links == []


@for_each("name", HOSTS)
def test_its_policy_lets_in_its_own_style_alone(name: str) -> None:
    page = page_of(name)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [v for a, v in Reader(page).attributes if a == "content"]
    assert policies[0] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'"
    )


@pytest.mark.parametrize("name", HOSTS)
def test_it_says_what_the_text_says(name: str) -> None:
    report = of_fixture(name)
    shown = Reader(page_of(name)).text
    for result in failed(report):
        assert result.title in shown
        assert result.id in shown
    for result in report.checks:
        assert f"{result.id} {result.status.value}" in shown


@for_each("name", HOSTS)
def test_no_text_is_shown_with_its_blanks(name: str) -> None:
    assert re.findall(r"\{[a-z_]+\}", Reader(page_of(name)).text) == []


def test_a_repair_that_waits_for_a_reboot_says_so() -> None:
    shown = Reader(page_of("bluefin-dx-2121")).text
    assert "for the next boot (takes effect at the next reboot)" in shown


def test_the_plan_is_shown_as_a_diff() -> None:
    page = page_of("bluefin-dx-2121")
    assert "<h2>What the repair would do, step by step</h2>" in page
    assert re.search(r"<ins>\+[^<]*static_size_mb|<ins>\+[^<]*OWNER", page)
    assert "before: " in page


def test_a_repair_that_was_made_is_told_first() -> None:
    report = of_fixture("healthy-bazzite")
    shown = Reader(render(report, Parts(ended=("Done.",)), CANONICAL)).text
    assert shown.index("What became of the repair Done.") < shown.index("Of ")


def test_host_text_stays_text() -> None:
    said = verbatim(MEAN)
    finding = Finding(NodePlace(MEAN), said, (Evidence(MEAN, MEAN, MEAN),), advice=said)
    held = (Diagnosis(finding, Severity.ERROR),)
    result = CheckResult("a", MEAN, Severity.ERROR, Status.FAIL, said, (), held)
    report = of_results(result)
    report = report._replace(run=report.run._replace(source=MEAN))
    page = render(report, Parts(ended=(MEAN,)), CANONICAL)
    read = Reader(page)
    assert read.tags <= TAGS
    assert not [a for a, _ in read.attributes if a.startswith("on")]
    assert page.replace("\n", "").isprintable()
    assert read.text.count("<script>alert(1)</script>") >= 8


def test_commands_are_those_that_work_here() -> None:
    called = Called(plain="/opt/vd", root="sudo /opt/vd", options="--user 'a b'")
    assert words("Run `vfio-doctor -v`.", called) == (
        "Run <code>/opt/vd --user 'a b' -v</code>."
    )


def test_the_fleet_counts_and_links_every_host() -> None:
    rows = [
        row("a.host", of_fixture("bluefin-dx-2121")),
        row("b.host", of_fixture("healthy-bazzite")),
        Row("<b>c</b>.host", "not a capture"),
    ]
    page = fleet.render(rows)
    read = Reader(page)
    assert read.tags <= TAGS
    links = [value for a, value in read.attributes if a == "href"]
    named = [f"#{value}" for a, value in read.attributes if a == "id"]
    assert links == named == ["#host-1", "#host-2"]
    assert "3 captured hosts" in read.text
    assert "b>.host cannot be read: not a capture" in read.text
    assert "Debian 12 2 1" in read.text
    assert "(could not be read) 1" in read.text
