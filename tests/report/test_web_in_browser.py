"""Pages in a real browser: nothing on the console, nothing that axe finds fault with.

axe (Deque's accessibility engine, from PyPI) cannot run in a page that admits no
script: it is tried on a copy without the policy, the console on the page itself.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from support.reports import of_fixture
from support.web_pages import page_of, row
from vfio_doctor.report.web import fleet

pytestmark = [
    pytest.mark.slow,
    pytest.mark.runs("chromium"),
    pytest.mark.needs_tool("chromium"),
]
PAGES = ("bluefin-dx-2121", "fleet")
LIGHT, DARK = 1, 0
RUN = """
axe.run(document, {resultTypes: ["violations"]}).then(found => {
  const told = found.violations.map(v => [v.id, v.nodes.map(n => n.html)]);
  document.title = "axe" + JSON.stringify(told);
});
"""


def browse(page: Path, *words: str) -> tuple[str, str]:
    """Return the page's elements after it has loaded, and what the browser logged."""
    argv = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
    argv += ["--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom"]
    argv += [f"--user-data-dir={page.parent / 'profile'}", *words, page.as_uri()]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def made(name: str) -> str:
    """Return a page: a host's, or the fleet's with a host's report in it."""
    if name != "fleet":
        return page_of(name)
    rows = [row("a.host", of_fixture("bluefin-dx-2121")), row("b.host")]
    return fleet.render(rows)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_on_the_console(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(made(name), encoding="utf-8")
    elements, logged = browse(page)
    assert "</footer>" in elements
    assert [line for line in logged.splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name: str, scheme: int, tmp_path: Path) -> None:
    engine = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    page = tmp_path / "page.html"
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", made(name))
    folded = free.replace("<details", "<details open")
    script = f"<script>{engine}</script><script>{RUN}</script>"
    page.write_text(folded.replace("</body>", f"{script}</body>"), encoding="utf-8")
    elements, _ = browse(page, f"--blink-settings=preferredColorScheme={scheme}")
    told = re.search(r"<title>axe(.*?)</title>", elements, re.DOTALL)
    assert told, elements[-500:]
    assert json.loads(html.unescape(told[1])) == []
