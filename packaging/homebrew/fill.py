"""Fill the formula in.

    fill.py SOURCE.tar.gz REPORT.json >vfio-doctor.rb

REPORT.json is what ``pip install --dry-run --report`` says of the libraries' sources.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().with_name("vfio-doctor.rb")


def filled(template: str, source: Path, report: dict[str, Any]) -> str:
    """Return the formula for a source archive that lies beside it."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    url = f'url "file://#{{__dir__}}/{source.name}"'
    blocks = [_resource(one) for one in report["install"]]
    made = template.replace("  # SOURCE\n", f'  {url}\n  sha256 "{digest}"\n')
    return made.replace("  # RESOURCES\n", "\n".join(sorted(blocks)))


def _resource(one: dict[str, Any]) -> str:
    info = one["download_info"]
    name = one["metadata"]["name"].lower()
    digest = info["archive_info"]["hashes"]["sha256"]
    url = info["url"]
    return f'  resource "{name}" do\n    url "{url}"\n    sha256 "{digest}"\n  end\n'


if __name__ == "__main__":
    source, report = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    print(filled(TEMPLATE.read_text(encoding="utf-8"), source, report), end="")
