"""An initramfs that loads a module has the options of when it was made."""

import pytest

from support.fixture_hosts.hardware import CORE_CPU, cpu, kvm
from support.fixture_hosts.parts import Parts
from support.machines import result, whole
from support.rows import for_each
from vfio_doctor.checks.kvm.msrs import KvmReportsIgnoredMsrs
from vfio_doctor.facts.base import Facts
from vfio_doctor.facts.images.initramfs import InitramfsModules

CONF = {"/etc/modprobe.d/kvm.conf": "options kvm report_ignored_msrs=0\n"}
LISTS = [
    ("/etc/initramfs-tools/modules", "{}\n", "sudo update-initramfs -u"),
    ("/etc/mkinitcpio.conf", "MODULES=({})\n", "sudo mkinitcpio -P"),
    ("/etc/dracut.conf.d/kvm.conf", 'force_drivers+=" {} "\n', "sudo dracut --force"),
]


@for_each(("path", "text", "command"), LISTS)
def test_the_command_that_makes_the_image_anew(
    path: str, text: str, command: str
) -> None:
    host = whole(Parts({path: text.format("vfio-pci")}))
    images = Facts(host)[InitramfsModules]
    assert images.rebuild("kvmfr", "vfio_pci") == (path, command)
    assert images.rebuild("kvmfr") is None


@pytest.mark.parametrize(
    ("module", "id_"),
    [("kvm_intel", "msrs-rebuild-image"), ("ext4", "msrs-reboot-when-it-suits")],
)
def test_kvm_in_the_image_needs_more_than_a_reboot(module: str, id_: str) -> None:
    path, text, _ = LISTS[1]
    host = whole(
        cpu(*CORE_CPU),
        kvm(),
        Parts({**CONF, path: text.format(module), "/proc/cmdline": "quiet\n"}),
        Parts({"/sys/module/kvm/parameters/report_ignored_msrs": "Y\n"}),
        Parts({"/sys/module/kvm/parameters/ignore_msrs": "N\n"}),
        Parts(
            {
                "/boot/loader/loader.conf": "",
                "/boot/loader/entries/a.conf": "options quiet\n",
            }
        ),
    )
    (one,) = result(host, KvmReportsIgnoredMsrs).diagnoses
    assert one.finding.advice is not None
    assert one.finding.advice.id == id_
