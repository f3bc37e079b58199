"""What is not known on one side is not compared, whatever its reason reads like."""

from __future__ import annotations

from typing import Any

from support import hosts
from support.reports import of_fixture
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import Registry
from vfio_doctor.diagnosis.report import assemble, host_info
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.model import Message, RunInfo
from vfio_doctor.report import json
from vfio_doctor.report.compare import NOT_KNOWN, Difference, differences, of_document

IMAGE = "/usr/share/ublue-os/image-info.json"


def document(host: CapturedHost) -> dict[str, Any]:
    facts = Facts(host)
    results = diagnose(facts, Registry((), ()))
    return json.document(assemble(host, facts, results, RunInfo("", 0, "a test")))


def test_the_arguments_of_an_unread_line_are_not_compared() -> None:
    path = "/proc/cmdline"
    seen = of_document(document(hosts.build({path: "quiet iommu=pt\n"})))
    unread = of_document(document(hosts.build({path: hosts.denied(path)})))
    assert list(seen["arguments now"]) == ["quiet", "iommu=pt"]
    assert "arguments now" not in unread
    found = [*differences(seen, unread), *differences(unread, seen)]
    assert {one.section for one in found} <= {"system"}


def test_a_part_that_became_known_is_one_difference_without_the_reason() -> None:
    path = "/proc/sys/kernel/osrelease"
    before = of_document(document(hosts.build({path: hosts.denied(path)})))
    after = of_document(document(hosts.build({path: "6.1.0\n"})))
    assert list(differences(before, after)) == [
        Difference("system", "kernel", NOT_KNOWN, "6.1.0")
    ]


def test_an_absent_image_is_none_and_a_denied_one_is_not_known() -> None:
    plain, shut = hosts.build({}), hosts.build({IMAGE: hosts.denied(IMAGE)})
    assert host_info(plain, Facts(plain)).image == ""
    image = host_info(shut, Facts(shut)).image
    assert isinstance(image, Message)
    assert image.id == "host-unknown"


def test_json_holds_the_head_as_text_and_what_is_a_sentence_as_a_message() -> None:
    held = document(hosts.build({}))["host"]
    assert str(held["kernel"]).startswith("unknown: /proc/sys/kernel/osrelease")
    assert held["messages"]["kernel"]["id"] == "host-unknown"
    healthy = json.document(of_fixture("healthy-bazzite"))["host"]
    assert isinstance(healthy, dict)
    assert "kernel" not in healthy["messages"]
    assert healthy["messages"]["user"]["id"] == "host-vm-user"
