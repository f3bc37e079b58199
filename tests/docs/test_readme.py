from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = "<!-- tests/report/goldens/bluefin-dx-2121.txt -->"


def test_the_report_shown_is_a_real_one() -> None:
    name = MARK.removeprefix("<!-- ").removesuffix(" -->")
    golden = (ROOT / name).read_text(encoding="utf-8")
    block = "\n".join(f"    {line}".rstrip() for line in golden.splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{MARK}\n\n{block}\n\n" in readme, "paste the golden into README.md"


def test_the_two_commands_are_there_and_can_be_run() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("scripts/run", "scripts/test"):
        assert f"    {name} " in readme
        assert (ROOT / name).stat().st_mode & 0o111
