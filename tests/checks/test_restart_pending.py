"""What waits for a reboot, on every kind of boot stack."""

import pytest

from support import hosts
from support.fixture_hosts import systems
from support.fixture_hosts.hardware import CORE_CPU, cpu, kvm
from support.machines import result
from support.rows import for_each
from vfio_doctor.checks.boot import arguments
from vfio_doctor.checks.boot.pending import RebootPending
from vfio_doctor.checks.kvm import msrs
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import CommandResult, Missing
from vfio_doctor.model import CheckResult, Severity, Status

NOW = {"/proc/cmdline": "ro iommu=pt root=x\n"}
ENTRY = "/boot/loader/entries"
KARGS = ("rpm-ostree", "kargs")
STAGED = {"/run/ostree/staged-deployment": "x"}
OFF, IDLE = arguments.IommuDisabledByArgument, arguments.IommuArgumentWithoutEffect
REPORTS = msrs.KvmReportsIgnoredMsrs


def pending(host: CapturedHost) -> CheckResult:
    return result(host, RebootPending)


def messages(found: CheckResult) -> list[tuple[str, str]]:
    return [(d.severity.word, str(d.finding.message)) for d in found.diagnoses]


def ostree(kargs: str | None, staged: bool = False) -> CapturedHost:
    parts = systems.ostree_boot("6.1", "a", "ro iommu=pt root=y ostree=/z")
    answers: dict[tuple[str, ...], CommandResult] = {}
    if kargs is not None:
        answers[KARGS] = hosts.ran(KARGS, f"{kargs}\n")
    files = {**parts.files, **NOW, **(STAGED if staged else {})}
    return hosts.build(files, commands=answers)


def test_other_words_are_no_ones_business() -> None:
    assert pending(ostree(None)).status is Status.PASS


def test_staged_deployment_with_the_same_arguments() -> None:
    found = pending(ostree("iommu=pt rw", staged=True))
    ((severity, message),) = messages(found)
    assert severity == "info"
    assert message == "An update of the system is staged; the next boot starts it."


def test_staged_deployment_with_other_arguments() -> None:
    (diagnosis,) = pending(ostree("vfio-pci.ids=1:1", staged=True)).diagnoses
    text = "The next boot adds vfio-pci.ids=1:1 and no longer has iommu=pt."
    assert str(diagnosis.finding.message) == text
    assert [row.source for row in diagnosis.finding.evidence] == [
        "/proc/cmdline",
        "rpm-ostree kargs",
        "/run/ostree/staged-deployment",
    ]


def test_staged_deployment_that_nobody_reads_is_unknown() -> None:
    found = pending(ostree(None, staged=True))
    assert found.status is Status.UNKNOWN


@for_each(
    "words", ['ro "iommu=pt"', "iommu=pt", "io-mmu=1 iommu=pt -- vfio-pci.ids=1:1"]
)
def test_spelling_and_order_do_not_count(words: str) -> None:
    assert pending(ostree(words, staged=True)).diagnoses[0].finding.message.params == ()


@for_each(
    ("cmdline", "says"),
    [
        ("iommu=pt", ""),
        ("iommu=pt kvm.ignore_msrs=1", "/etc/kernel/cmdline adds kvm.ignore_msrs=1."),
        ("quiet", "/etc/kernel/cmdline no longer has iommu=pt."),
    ],
)
def test_kernels_to_come(cmdline: str, says: str) -> None:
    files = {
        **systems.bls("6.1", "ro iommu=pt").files,
        **NOW,
        "/etc/kernel/cmdline": cmdline,
    }
    found = messages(pending(hosts.build(files)))
    head = "Kernels installed later are not started like this one: "
    assert found == ([("info", f"{head}{says}")] if says else [])


GRUB = "/etc/default/grub"
MENU = "/boot/grub/grub.cfg"


def grub(configured: str, menu: str | Missing) -> CapturedHost:
    parts = systems.grub("6.1", configured)
    if isinstance(menu, str):
        text = f"menuentry 'x' {{\n\tlinux /vmlinuz {menu}\n}}\n"
        return hosts.build({**parts.files, **NOW, MENU: text})
    return hosts.build({**parts.files, **NOW, MENU: menu})


def test_menu_that_was_not_made_is_a_warning() -> None:
    ((severity, message),) = messages(pending(grub("iommu=pt kvm.x=1", "iommu=pt")))
    assert severity == "warning"
    assert message.endswith("was not regenerated from it: it adds kvm.x=1.")


def test_both_at_once() -> None:
    found = messages(pending(grub("iommu=pt kvm.x=1", "kvm.x=2")))
    assert [severity for severity, _ in found] == ["warning", "info"]


def test_configuration_where_the_menu_may_not_be_read() -> None:
    closed = hosts.denied(MENU)
    assert pending(grub("iommu=pt", closed)).status is Status.UNKNOWN
    (diagnosis,) = pending(grub("iommu=pt kvm.x=1", closed)).diagnoses
    assert str(diagnosis.finding.message).endswith("the configuration adds kvm.x=1.")
    assert "as root" in str(diagnosis.finding.advice)


def test_configuration_that_has_to_be_run() -> None:
    host = grub("iommu=pt", "iommu=pt")
    dynamic = {GRUB: 'GRUB_CMDLINE_LINUX="$(x)"\n'}
    assert pending(hosts.changed(host, files=dynamic)).status is Status.PASS
    closed = hosts.changed(host, files={**dynamic, MENU: hosts.denied(MENU)})
    assert pending(closed).status is Status.UNKNOWN


def core(host: CapturedHost, now: str, report: str = "N") -> CapturedHost:
    parts = (cpu(*CORE_CPU), kvm("Y", report, "kvm_intel"))
    files = {path: data for part in parts for path, data in part.files.items()}
    stats = {path: stat for part in parts for path, stat in part.stats.items()}
    return hosts.changed(host, files={**files, "/proc/cmdline": now}, stats=stats)


@pytest.mark.parametrize("check", [OFF, REPORTS])
@pytest.mark.parametrize(
    ("now", "status"), [("quiet", "unknown"), ("iommu=off", "fail")]
)
def test_what_is_wrong_now_is_said_where_the_next_boot_is_unknown(
    check: type, now: str, status: str
) -> None:
    host = core(hosts.build({}), now, "N" if now == "quiet" else "Y")
    found = result(host, check)
    assert found.status.value == status
    assert found.reason
    assert all("now" in str(d.finding.message) for d in found.diagnoses)


def test_no_words_and_no_next_boot_is_fine_for_idle_words() -> None:
    assert result(core(hosts.build({}), "quiet"), IDLE).status is Status.PASS


def test_idle_word_of_the_next_boot() -> None:
    host = core(grub("intel_iommu=pt", "quiet intel_iommu=pt"), "quiet")
    (diagnosis,) = result(host, IDLE).diagnoses
    assert diagnosis.finding.evidence[0].source == MENU


@pytest.mark.parametrize(
    ("configured", "says"),
    [("iommu=off", "now and at every boot"), ("quiet", "now and at every boot")],
)
def test_off_now_and_a_menu_that_may_not_be_read(configured: str, says: str) -> None:
    host = core(grub(configured, hosts.denied(MENU)), "iommu=off")
    (diagnosis,) = result(host, OFF).diagnoses
    assert says in str(diagnosis.finding.message)
    sources = [row.source for row in diagnosis.finding.evidence]
    assert sources == ["/proc/cmdline", GRUB]


def test_lines_that_disagree_leave_the_next_boot_unknown() -> None:
    good = "kvm.report_ignored_msrs=0"
    host = core(grub(good, hosts.denied(MENU)), "quiet")
    assert result(host, REPORTS).status is Status.UNKNOWN
    agreed = core(grub(good, hosts.denied(MENU)), good)
    assert result(agreed, REPORTS).status is Status.PASS


@for_each("value", ["bar", "", "o", "2"])
def test_value_that_the_kernel_refuses(value: str) -> None:
    line = f"kvm.report_ignored_msrs={value}"
    (diagnosis,) = result(core(grub(line, line), line), REPORTS).diagnoses
    assert diagnosis.finding.message.id == "msrs-report-refused"
    assert diagnosis.severity is Severity.WARNING


def test_msrs_ignored_only_now() -> None:
    check = msrs.KvmMsrsNotIgnored
    (diagnosis,) = result(core(grub("quiet", "quiet"), "quiet"), check).diagnoses
    assert diagnosis.finding.message.id == "msrs-ignored-until-reboot"
