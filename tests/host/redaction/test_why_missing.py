"""Why a reading has no value is judged: it is the same after redaction."""

from __future__ import annotations

import pytest

from vfio_doctor.host.captured import Capture
from vfio_doctor.host.details import SETTLED
from vfio_doctor.host.reader import Caller, Missing, Why
from vfio_doctor.host.redaction.redact import redact
from vfio_doctor.model import Message

FOLDER = "/etc/apparmor.d/libvirt"


@pytest.mark.parametrize("detail", SETTLED)
def test_what_has_been_seen_is_still_seen(detail: str | Message) -> None:
    capture = Capture.empty("x", Caller(1000))
    capture.lists[FOLDER] = Missing(FOLDER, Why.FAILED, detail)
    found = redact(capture).capture.lists[FOLDER]
    assert isinstance(found, Missing)
    assert str(found.detail) == str(detail)
    assert not found._replace(detail=detail).hidden


@pytest.mark.parametrize("why", [Why.DENIED, Why.TIMED_OUT, Why.FAILED])
def test_what_was_not_answered_may_be_there(why: Why) -> None:
    assert Missing(FOLDER, why, "Input/output error").hidden


@pytest.mark.parametrize("why", [Why.ABSENT, Why.NOT_CAPTURED])
def test_what_is_absent_is_not_hidden(why: Why) -> None:
    assert not Missing(FOLDER, why).hidden
