"""Start from a host on which the rule passes, break one thing, expect one finding."""

import pytest

from support import hosts
from support.fixture_hosts import catalogue
from support.fixture_hosts.hardware import CORE_CPU, RYZEN_CPU, cpu, kvm
from support.rows import for_each
from vfio_doctor.diagnosis.judge import judge
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import Facts
from vfio_doctor.host.captured import CapturedHost
from vfio_doctor.host.reader import Missing, Stat
from vfio_doctor.model import CheckResult, Severity, Status
from vfio_doctor.places import ArgumentPlace

REGISTRY = load()
GOOD = "quiet kvm.ignore_msrs=1 kvm.report_ignored_msrs=0"
GRUB = "/etc/default/grub"
MENU = "/boot/grub/grub.cfg"


def host(
    now: str,
    following: str | None = None,
    amd: bool = True,
    report: str = "N",
    ignore: str = "Y",
) -> CapturedHost:
    """A GRUB host; ``following`` are the next boot's arguments, by default the same."""
    then = now if following is None else following
    parts = kvm(ignore, report)
    files: dict[str, str | bytes | Missing] = {
        **cpu(*(RYZEN_CPU if amd else CORE_CPU)).files,
        **parts.files,
        "/proc/cmdline": f"{now}\n",
        GRUB: f'GRUB_CMDLINE_LINUX_DEFAULT="{then}"\n',
        MENU: f"menuentry 'x' {{\n\tlinux /vmlinuz-6.1 {then}\n}}\n",
    }
    stats: dict[str, Stat | Missing] = dict(parts.stats)
    return hosts.build(files, stats, parts.folders, probes=parts.probes)


def ended(check_id: str, on: CapturedHost) -> CheckResult:
    check = REGISTRY.check(check_id)
    assert check is not None
    return judge(check, Facts(on), REGISTRY)


def one(check_id: str, on: CapturedHost) -> tuple[str, Severity]:
    result = ended(check_id, on)
    assert result.status is Status.FAIL, result
    (diagnosis,) = result.diagnoses
    assert "{" not in str(diagnosis.finding.message)
    return str(diagnosis.finding.message), diagnosis.severity


def said(check_id: str, on: CapturedHost) -> str:
    """The id of the only finding's message."""
    (diagnosis,) = ended(check_id, on).diagnoses
    return diagnosis.finding.message.id


def test_silent_kvm_passes() -> None:
    assert ended("kvm-reports-ignored-msrs", host(GOOD)).status is Status.PASS
    assert ended("kvm-msrs-not-ignored", host(GOOD)).status is Status.PASS


IGNORING = "kvm.ignore_msrs=1"
REPORTING = [
    pytest.param(IGNORING, None, "Y", "ed-always", Severity.WARNING, id="both"),
    pytest.param(IGNORING, GOOD, "Y", "ed-until-reboot", Severity.INFO, id="pending"),
    pytest.param(IGNORING, None, "N", "ed-next", Severity.WARNING, id="runtime only"),
    pytest.param(GOOD, IGNORING, "N", "ed-next", Severity.WARNING, id="lost"),
    pytest.param(IGNORING, "quiet", "Y", "ed-now", Severity.WARNING, id="not later"),
    pytest.param(
        f"{IGNORING} kvm.report_ignored_msrs",
        *(None, "Y", "ed-always", Severity.WARNING),
        id="bare",
    ),
]


@for_each(("now", "then", "value", "when", "severity"), REPORTING)
def test_reporting_kvm(
    now: str, then: str | None, value: str, when: str, severity: Severity
) -> None:
    on = host(now, then, report=value)
    assert said("kvm-reports-ignored-msrs", on) == f"msrs-report{when}"
    assert one("kvm-reports-ignored-msrs", on)[1] is severity


MEANING = [
    pytest.param("quiet", {}, id="nobody means passthrough"),
    pytest.param("vfio-pci.ids=10de:1b80", {}, id="an argument"),
    pytest.param("rd.driver.pre=vfio-pci", {}, id="loaded early"),
    pytest.param("iommu=pt", {}, id="for passthrough"),
    pytest.param("kvmfr.static_size_mb=128", {}, id="Looking Glass"),
    pytest.param("quiet", {"/etc/modules-load.d/v.conf": "vfio-pci\n"}, id="a list"),
    pytest.param(
        "quiet",
        {"/etc/modprobe.d/v.conf": "options vfio-pci ids=10de:1b80\n"},
        id="an option",
    ),
    pytest.param("quiet", {"/etc/libvirt/qemu/w.xml": "<hostdev mode=''>"}, id="a VM"),
    pytest.param(
        "quiet", {"/sys/bus/pci/drivers/vfio-pci/0000:01:00.0/x": ""}, id="a device"
    ),
]


@for_each(("line", "files"), MEANING)
def test_where_nothing_is_ignored_the_purpose_decides(
    line: str, files: dict[str, str | bytes | Missing]
) -> None:
    on = hosts.changed(host(line, report="Y", ignore="N"), files=files)
    meant = bool(files) or line != "quiet"
    assert said("kvm-reports-ignored-msrs", on) == (
        "msrs-report-recipe" if meant else "msrs-would-be-reported"
    )
    assert one("kvm-reports-ignored-msrs", on)[1] is (
        Severity.WARNING if meant else Severity.INFO
    )


def test_the_recipes_are_none_of_nixos() -> None:
    nixos: dict[str, str | bytes | Missing] = {"/etc/os-release": "ID=nixos\n"}
    on = hosts.changed(
        host("vfio-pci.ids=10de:1b80", report="Y", ignore="N"), files=nixos
    )
    assert one("kvm-reports-ignored-msrs", on)[1] is Severity.INFO


def test_a_kvm_that_is_built_in_reads_no_file() -> None:
    conf = "options kvm report_ignored_msrs=0\n"
    files: dict[str, str | bytes | Missing] = {
        "/etc/modprobe.d/kvm.conf": conf,
        "/proc/sys/kernel/osrelease": "6.1.0\n",
        "/lib/modules/6.1.0/modules.builtin": "kernel/arch/x86/kvm/kvm.ko\n",
        "/proc/modules": "",
    }
    on = hosts.changed(host(IGNORING, report="Y"), files=files)
    assert said("kvm-reports-ignored-msrs", on) == "msrs-reported-always"
    files["/proc/modules"] = "kvm 1 0 - Live 0x0\n"
    on = hosts.changed(host(IGNORING, report="N"), files=files)
    assert ended("kvm-reports-ignored-msrs", on).status is Status.PASS


@for_each("value", ["0", "N", "n", "off", "f"])
def test_every_way_to_say_no(value: str) -> None:
    on = host(f"kvm.report_ignored_msrs={value}")
    assert ended("kvm-reports-ignored-msrs", on).status is Status.PASS


def test_modprobe_counts_and_the_command_line_beats_it() -> None:
    conf = {"/etc/modprobe.d/kvm.conf": "options kvm report_ignored_msrs=0\n"}
    silent = hosts.changed(host("quiet"), files=dict(conf))
    assert ended("kvm-reports-ignored-msrs", silent).status is Status.PASS
    loud = hosts.changed(host("kvm.report_ignored_msrs=1"), files=dict(conf))
    assert ended("kvm-reports-ignored-msrs", loud).status is Status.FAIL


def test_without_kvm_loaded_the_next_boot_counts() -> None:
    gone = hosts.changed(host(IGNORING), absent=["/sys/module/kvm"])
    message, _ = one("kvm-reports-ignored-msrs", gone)
    assert "once it is loaded" in message
    gone = hosts.changed(host("quiet"), absent=["/sys/module/kvm"])
    idle = ended("kvm-msrs-not-ignored", gone)
    assert idle.status is Status.NOT_APPLICABLE


def test_msrs_not_ignored_is_only_information() -> None:
    _, severity = one("kvm-msrs-not-ignored", host("quiet", ignore="N"))
    assert severity is Severity.INFO


@pytest.mark.parametrize("rule", ["kvm-reports-ignored-msrs", "kvm-msrs-not-ignored"])
def test_denied_parameters_are_unknown(rule: str) -> None:
    home = "/sys/module/kvm/parameters"
    names = ("ignore_msrs", "report_ignored_msrs")
    paths = [f"{home}/{name}" for name in names]
    on = hosts.changed(host(GOOD), files={p: hosts.denied(p) for p in paths})
    assert ended(rule, on).status is Status.UNKNOWN


@pytest.mark.parametrize("rule", ["kvm-reports-ignored-msrs", "reboot-pending"])
def test_a_next_boot_that_nothing_tells_is_unknown(rule: str) -> None:
    on = hosts.changed(host(GOOD), absent=["/etc/default", "/boot"])
    assert ended(rule, on).status is Status.UNKNOWN


def test_denied_menu_is_judged_by_the_configuration() -> None:
    on = hosts.changed(host("quiet", report="Y"), files={MENU: hosts.denied(MENU)})
    assert ended("kvm-reports-ignored-msrs", on).status is Status.FAIL
    assert ended("reboot-pending", on).status is Status.UNKNOWN


OFF = [
    pytest.param("iommu=off", True, id="both makers, AMD"),
    pytest.param("iommu=off", False, id="both makers, Intel"),
    pytest.param("amd_iommu=off", True, id="AMD"),
    pytest.param("intel_iommu=off,sm_on", False, id="Intel, in a list"),
]


@for_each(("word", "amd"), OFF)
def test_iommu_off(word: str, amd: bool) -> None:
    on = host(f"quiet {word}", amd=amd)
    (diagnosis,) = ended("iommu-disabled-by-argument", on).diagnoses
    assert diagnosis.finding.place == ArgumentPlace(word, "/proc/cmdline")
    message = f"{word} turns the IOMMU off, now and at every boot."
    assert str(diagnosis.finding.message) == message
    clean = host("quiet", amd=amd)
    assert ended("iommu-disabled-by-argument", clean).status is Status.PASS


@pytest.mark.parametrize(
    ("now", "then", "says"),
    [
        ("iommu=off", "quiet", "until the next boot"),
        ("quiet", "iommu=off", "from the next boot on"),
    ],
)
def test_iommu_off_at_one_time(now: str, then: str, says: str) -> None:
    message, _ = one("iommu-disabled-by-argument", host(now, then))
    assert says in message


def test_iommu_off_beside_groups_counts_for_the_next_boot_only() -> None:
    units = "/sys/class/iommu/ivhd0/name"
    group = {"/sys/kernel/iommu_groups/0/type": "DMA\n", units: ""}
    stays = hosts.changed(host("iommu=off"), files=dict(group))
    message, how_bad = one("iommu-disabled-by-argument", stays)
    assert message.endswith("turns the IOMMU off there; the IOMMU is on now.")
    assert how_bad is Severity.WARNING
    goes = hosts.changed(host("iommu=off", "quiet"), files=dict(group))
    assert ended("iommu-disabled-by-argument", goes).status is Status.PASS
    unread = hosts.changed(host("iommu=off"), files=dict(group))
    unread.capture.lists["/sys/kernel/iommu_groups"] = hosts.denied("/sys/kernel")
    message, _ = one("iommu-disabled-by-argument", unread)
    assert "now and at every boot" in message


def test_the_other_makers_argument_does_no_harm() -> None:
    on = host("intel_iommu=off")
    assert ended("iommu-disabled-by-argument", on).status is Status.PASS


IDLE = [
    ("amd_iommu=on", "does not know this value"),
    ("amd_iommu=pt", "iommu=pt"),
    ("intel_iommu=pt", "iommu=pt"),
    ("intel_iommu=on", "machines with Intel's IOMMU"),
    ("iommu=on", "turns nothing on"),
    ("vfio.pci.disable_vga=1", "vfio-pci.disable_vga=1"),
    ("vfio.pci.ids=10de:1b80", "the host can do without"),
    ("vfio-pci-ids=10de:1b80", "the host can do without"),
    ("vfio-pci.ids=01:00.0", "bus address"),
    ("kvmfr.static_size=64", "kvmfr.static_size_mb=64"),
]


@for_each(("word", "says"), IDLE)
def test_idle_words(word: str, says: str) -> None:
    result = ended("iommu-argument-without-effect", host(f"quiet {word} {word}"))
    (diagnosis,) = result.diagnoses
    lost = word in ("vfio.pci.ids=10de:1b80", "vfio-pci-ids=10de:1b80")
    assert diagnosis.severity is (Severity.WARNING if lost else Severity.INFO)
    assert says in f"{diagnosis.finding.message} {diagnosis.finding.advice}"


def test_ids_that_a_blank_cuts_off() -> None:
    torn = host("vfio-pci.ids=10de:1b80, 10de:10f0")
    (found,) = ended("iommu-argument-without-effect", torn).diagnoses
    assert found.severity is Severity.WARNING
    assert "10de:10f0 has no effect: a blank" in str(found.finding.message)


def test_words_that_work_are_not_idle() -> None:
    words = "iommu=pt intel_iommu=on,sm_on vfio-pci.ids=10de:1b80,10de:10f0"
    on = host(words, amd=False)
    assert ended("iommu-argument-without-effect", on).status is Status.PASS


@pytest.mark.parametrize(
    "rule", ["iommu-argument-without-effect", "iommu-disabled-by-argument"]
)
def test_other_processors_have_no_such_arguments(rule: str) -> None:
    arm = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n"
    on = hosts.changed(host("iommu=off"), files={"/proc/cpuinfo": arm})
    assert ended(rule, on).status is Status.NOT_APPLICABLE


PENDING = [
    pytest.param("quiet", "quiet iommu=pt", "adds iommu=pt", id="added"),
    pytest.param(
        "a vfio-pci.ids=1:1", "a", "no longer has vfio-pci.ids=1:1", id="gone"
    ),
    pytest.param(
        "iommu=pt", "kvm.ignore_msrs=1", "adds kvm.ignore_msrs=1 and", id="both"
    ),
]


@for_each(("now", "then", "says"), PENDING)
def test_pending(now: str, then: str, says: str) -> None:
    message, severity = one("reboot-pending", host(now, then))
    assert says in message
    assert severity is Severity.INFO


@pytest.mark.parametrize(("now", "then"), [("a root=x", "b root=y"), (GOOD, GOOD)])
def test_nothing_of_ours_is_pending(now: str, then: str) -> None:
    assert ended("reboot-pending", host(now, then)).status is Status.PASS


def test_configured_but_the_menu_was_not_made() -> None:
    text = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet iommu=pt"\n'
    on = hosts.changed(host("quiet"), files={GRUB: text})
    message, _ = one("reboot-pending", on)
    assert message == (
        "/etc/default/grub was changed, but the boot menu was not regenerated from it:"
        " it adds iommu=pt."
    )
    update = hosts.changed(on, files={"/usr/sbin/update-grub": ""})
    for there, command in (
        (on, "`sudo grub-mkconfig -o /boot/grub/grub.cfg`"),
        (update, "`sudo update-grub`"),
    ):
        (diagnosis,) = ended("reboot-pending", there).diagnoses
        said = str(diagnosis.finding.advice)
        assert said.startswith(f"Run {command}, which makes the boot menu anew, then")


def test_root_is_not_told_to_run_it_as_root() -> None:
    esps = {
        "/etc/kernel/proxmox-boot-uuids": "1\n",
        "/etc/kernel/cmdline": "a iommu=pt",
    }
    on = hosts.changed(host("quiet"), files=esps)
    (untold,) = ended("reboot-pending", on).diagnoses
    assert "No file tells whether" in str(untold.finding.advice)
    shut = hosts.changed(
        host("quiet"),
        files={GRUB: 'GRUB_CMDLINE_LINUX="iommu=pt"\n', MENU: hosts.denied(MENU)},
    )
    (denied,) = ended("reboot-pending", shut).diagnoses
    assert "as root" in str(denied.finding.advice)


def test_an_option_without_its_module_is_shown() -> None:
    text = "options kvm ignore_msrs=1\noptions report_ignored_msrs=0\n"
    host = hosts.changed(
        catalogue.host("bluefin-dx-2121"),
        files={"/etc/modprobe.d/x.conf": text.encode()},
    )
    check = REGISTRY.check("kvm-reports-ignored-msrs")
    assert check
    result = judge(check, Facts(host), REGISTRY)
    rows = [row for d in result.diagnoses for row in d.finding.evidence]
    (idle,) = [row for row in rows if row.source == "/etc/modprobe.d/x.conf:2"]
    assert str(idle.observed) == (
        "the name of the module is missing in front of report_ignored_msrs=0"
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("iommu=pt,on", "In iommu=pt,on, on has no effect"),
        ("vfio.allow_unsafe_interrupts=1", "vfio.allow_unsafe_interrupts=1 has no"),
    ],
)
def test_what_of_a_word_does_nothing(word: str, said: str) -> None:
    message, severity = one("iommu-argument-without-effect", host(f"{GOOD} {word}"))
    assert said in message
    assert severity is Severity.INFO


def test_a_slip_is_a_slip_in_an_attachment_too() -> None:
    from vfio_doctor.host.redaction.redact import redact

    on = host(f"{GOOD} kvm.ignore_msr=1 iommmu=pt")
    shared = CapturedHost(redact(on.capture).capture)
    for each in (on, shared):
        found = ended("iommu-argument-without-effect", each)
        assert len(found.diagnoses) == 2
