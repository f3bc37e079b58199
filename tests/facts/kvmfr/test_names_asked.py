"""Names in rules that no account file has are asked for once, not without end."""

from __future__ import annotations

import pytest

from support import hosts
from vfio_doctor.facts.base import Facts, MissingFact
from vfio_doctor.facts.kvmfr.rules import NAMES_AT_MOST, KvmfrRules
from vfio_doctor.host.recorder import Recorder


def asked(names: list[str]) -> list[tuple[str, ...]]:
    rules = "".join(f'SUBSYSTEM=="kvmfr", OWNER="{name}"\n' for name in names)
    host = Recorder(
        hosts.build(
            {
                "/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
                "/etc/group": "root:x:0:\n",
                "/etc/udev/rules.d/9.rules": rules,
            }
        )
    )
    Facts(host)[KvmfrRules]
    return [argv for argv in host.capture().commands if argv[0] == "getent"]


def test_each_name_is_asked_for_once() -> None:
    assert len(asked(["nobody1", "nobody2"] * 500)) == 2


def test_a_thousand_names_start_no_thousand_programs() -> None:
    with pytest.raises(MissingFact, match=f"more than {NAMES_AT_MOST} accounts"):
        asked([f"nobody{n}" for n in range(1000)])
