"""A card is given to vfio-pci whole, or the plan is empty and says why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support import hosts
from support.fixture_hosts.parts import Parts, file
from support.fixture_hosts.recipes.debian import KERNEL
from support.fixture_hosts.recipes.passthrough import vm
from support.machines import GROUPS, PCI
from support.rows import for_each
from support.tools import found as path_of
from support.unbound_card import AUDIO, CARD, IDS, IMAGE, TOOLS, said, unbound
from vfio_doctor.boot.selection import choose
from vfio_doctor.diagnosis.judge import diagnose
from vfio_doctor.diagnosis.registry import load
from vfio_doctor.facts.base import CannotFix, Facts, Options
from vfio_doctor.facts.pci.binding import BINDING_FILE, INSTALL, binding
from vfio_doctor.host.captured import Capture, CapturedHost
from vfio_doctor.host.reader import Missing, Why
from vfio_doctor.model import Applicability, CommandStep, FileStep, ProbeStep
from vfio_doctor.repair.plan import make_plan
from vfio_doctor.repair.values import Plan
from vfio_doctor.report.plan import plan_lines

REGISTRY = load()
NOT_BOUND = "vfio-not-bound"
WHOLE = f"{IDS},10de:228b"
RULES = ("softdep nouveau pre: vfio-pci", "softdep snd_hda_intel pre: vfio-pci")
IN_MODPROBE = file("/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:2482\n")


def plan_of(
    capture: Capture, risky: bool = True, *devices: str, bind: bool = False
) -> Plan:
    host = CapturedHost(capture)
    facts = Facts(host, Options(devices=devices, bind=bind))
    results = diagnose(facts, REGISTRY, (NOT_BOUND,))
    return make_plan(host, facts, results, choose(host, facts), risky)


def written(plan: Plan) -> dict[str, str]:
    files = (s.step for s in plan.steps if isinstance(s.step, FileStep))
    return {step.path: (step.after or b"").decode() for step in files}


def commands(plan: Plan) -> list[tuple[str, ...]]:
    steps = (s.step for s in plan.steps if isinstance(s.step, CommandStep))
    return [step.argv for step in steps if step.argv]


def new_words(plan: Plan) -> set[str]:
    assert plan.arguments is not None
    return set(plan.arguments.after) - set(plan.arguments.before)


def test_all_functions_of_the_card_go_by_their_ids() -> None:
    plan = plan_of(unbound())
    assert new_words(plan) == {WHOLE}
    assert written(plan)[BINDING_FILE].splitlines() == list(RULES)
    assert written(plan)["/etc/initramfs-tools/modules"].splitlines()[1:] == [
        "vfio_pci",
        "vfio",
        "vfio_iommu_type1",
    ]
    assert commands(plan)[:2] == [
        ("update-initramfs", "-u", "-k", "all"),
        ("lsinitramfs", IMAGE),
    ]
    (read_back,) = (s.step for s in plan.steps if "lsinitramfs" in str(s.step))
    assert isinstance(read_back, CommandStep)
    assert read_back.shows == ("/vfio-pci.ko", BINDING_FILE.lstrip("/"))


def test_it_is_risky_and_says_what_the_host_keeps_and_how_to_get_back() -> None:
    left = plan_of(unbound(), risky=False)
    assert not left.steps
    assert {fix.applicability for fix in left.left} == {Applicability.RISKY}
    text = "\n".join(plan_lines(plan_of(unbound())))
    assert "The host keeps what it needs: 0000:07:00.0 (the firmware and the" in text
    assert f"It can no longer use {CARD} and {AUDIO}." in text
    assert f"In the boot menu press e, remove {WHOLE}" in text
    assert "boot a live medium" in text
    assert "sudo chroot /mnt vfio-doctor undo" in text


def test_ids_of_modprobe_d_stay_in_the_argument_that_replaces_them() -> None:
    plan = plan_of(unbound(IN_MODPROBE, ids=""))
    assert new_words(plan) == {WHOLE}


TWIN = (
    "09:00.3 1022:149c 0c0330 xhci_hcd     12",
    "09:00.0 10de:2482 030000 nouveau 12",
)
BY_ADDRESS = file("/etc/driverctl.d/pci-0000:08:00.0", "vfio-pci\n")


def test_a_card_with_a_twin_goes_by_its_addresses() -> None:
    plan = plan_of(unbound(BY_ADDRESS, ids="", changes=(TWIN,)))
    assert new_words(plan) == {f"vfio-doctor.bind={CARD},{AUDIO}"}
    assert written(plan)[BINDING_FILE].splitlines() == [INSTALL, *RULES]


@pytest.mark.runs("sh")
def test_the_line_for_modprobe_binds_what_the_argument_names() -> None:
    # What the kernel and modprobe do is played; the shell is real.
    line = INSTALL.removeprefix("install vfio-pci ")
    for path, stands_for in (
        ("/proc/cmdline", "/dev/stdin"),
        ("/sys/bus/pci/devices/$d/driver_override", "/dev/stdout"),
        ("echo vfio-pci", "echo vfio-pci $d"),
        ("modprobe -i", "echo"),
    ):
        assert path in line
        line = line.replace(path, stands_for)
    booted = f"ro quiet vfio-doctor.bind={CARD},{AUDIO} splash\n"
    for words, bound in (
        (booted, [f"vfio-pci {CARD}", f"vfio-pci {AUDIO}"]),
        ("ro\n", []),
    ):
        done = subprocess.run(
            ["sh", "-c", line], input=words, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [*bound, "vfio-pci"]


@pytest.mark.needs_tool("modprobe")
@pytest.mark.runs("modprobe")
def test_kmod_itself_reads_the_lines(tmp_path: Path) -> None:
    tool = path_of("modprobe")
    assert tool
    path = tmp_path / "vfio-doctor.conf"
    path.write_text("\n".join((INSTALL, *RULES, "")))
    # -c prints the configuration and loads nothing.
    argv = [tool, "-C", str(path), "-c"]
    out = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    read = [line for line in out.splitlines() if not line.startswith("alias")]
    assert INSTALL.replace("vfio-pci", "vfio_pci", 1) in read
    assert [line for line in read if line.startswith("softdep nouveau")]


def test_a_built_in_vfio_pci_gets_the_argument_and_no_image() -> None:
    builtin = file(
        f"/lib/modules/{KERNEL}/modules.builtin",
        "kernel/drivers/vfio/pci/vfio-pci.ko\n",
    )
    plan = plan_of(unbound(builtin))
    assert new_words(plan) == {WHOLE}
    assert set(written(plan)) == {"/etc/default/grub", "/var/lib/vfio-doctor/groups"}
    assert commands(plan) == [("update-grub",)]


def test_a_card_named_on_the_command_line_goes_whole() -> None:
    plan = plan_of(unbound(ids=""), True, CARD)
    assert new_words(plan) == {WHOLE}


def test_what_libvirt_takes_when_the_vm_starts_is_not_bound_at_boot() -> None:
    plan = plan_of(unbound(vm("08:00.0"), ids=""))
    assert not plan.steps
    assert not plan.refused


def group(bdf: str, old: str) -> tuple[str, str]:
    """Put a function of the board into the card's group."""
    return old, f"{old.rpartition(' ')[0]} 11"


NVME, NIC = (
    "01:00.0 144d:a808 010802 nvme          7",
    "06:00.0 8086:15f3 020000 igc           9",
)
USB = "09:00.3 1022:149c 0c0330 xhci_hcd     12"
RADEON = "07:00.0 1002:67df 030000 amdgpu       10"
SMBUS = "00:14.0 1022:790b 0c0500 piix4_smbus   5"
GEFORCE = "08:00.0 10de:2482 030000 nouveau  "
LIT = Parts(
    {
        "/sys/class/drm/card1-DP-1/status": "connected\n",
        "/sys/class/drm/card1-DP-1/enabled": "enabled\n",
    },
    {},
    (f"{PCI}/{CARD}/drm/card1",),
)
DISK_ON_CARD = Parts(
    {},
    {
        "/sys/class/block/nvme0n1p2": hosts.link(
            "../../devices/pci0000:00/0000:08:00.0/nvme/nvme0/nvme0n1/nvme0n1p2"
        )
    },
)
DIRECT = Parts({f"{GROUPS}/11/reserved_regions": "0x0 0xfff direct\n"}).and_then(
    file("/proc/sys/kernel/osrelease", "6.12.5\n")
)
BUILT_IN = file(
    f"/lib/modules/{KERNEL}/modules.builtin",
    "kernel/drivers/gpu/drm/nouveau/nouveau.ko\n",
)
HOSTS_TWIN = (RADEON, "07:00.0 10de:2482 030000 nouveau  10")
REFUSALS = {
    "the firmware draws on it": ("bind-needed", (said(CARD, "boot_vga", "1"),), ()),
    "a display in use is on it": ("bind-needed", (LIT,), ()),
    "the only graphics card": (
        "bind-only-display",
        (said(CARD, "boot_vga", "0"),),
        ((RADEON, "07:00.0 1002:67df 020000 amdgpu       10"),),
    ),
    "root lies on it": ("bind-needed", (DISK_ON_CARD,), ()),
    "its group holds root": ("bind-shared-needed", (), (group("01:00.0", NVME),)),
    "its group holds the route": ("bind-shared-needed", (), (group("06:00.0", NIC),)),
    "its group is in use": ("bind-shared", (), (group("09:00.3", USB),)),
    "the firmware reserves memory": ("bind-reserved", (DIRECT,), ()),
    "it makes virtual functions": (
        "bind-makes-virtual",
        (said(CARD, "sriov_totalvfs", "7"), said(CARD, "sriov_numvfs", "2")),
        (),
    ),
    "a virtual function of it is wanted": (
        "bind-virtual-wanted",
        (said(CARD, "sriov_totalvfs", "7"), vm("08:10.0")),
        (),
    ),
    "it is a virtual function": (
        "bind-is-virtual",
        (Parts({}, {f"{PCI}/{CARD}/physfn": hosts.link("../0000:06:00.0")}),),
        (),
    ),
    "its driver is built in": ("bind-driver-built-in", (BUILT_IN,), ()),
    "ids in a file take the host's card": (
        "bind-list-takes",
        (IN_MODPROBE,),
        (HOSTS_TWIN,),
    ),
}


@for_each("case", REFUSALS)
def test_refused_with_an_empty_plan(case: str) -> None:
    reason, parts, changes = REFUSALS[case]
    ids = "" if IN_MODPROBE in parts else IDS
    plan = plan_of(unbound(*parts, ids=ids, changes=changes))
    reasons = {refused.why.id for refused in plan.refused}
    if changes == (HOSTS_TWIN,):
        # The host's card is found too, and is all that is left for a screen.
        reasons -= {"bind-only-display"}
    assert reasons == {reason}, plan.refused
    assert not plan.steps


@pytest.mark.parametrize(
    ("wanted", "reason"), [(CARD, "bind-makes-virtual"), (AUDIO, "bind-is-virtual")]
)
def test_virtual_functions_in_their_makers_slot(wanted: str, reason: str) -> None:
    maker = (said(CARD, "sriov_totalvfs", "7"), said(CARD, "sriov_numvfs", "1"))
    made = Parts({}, {f"{PCI}/{AUDIO}/physfn": hosts.link(f"../{CARD}")})
    plan = plan_of(unbound(*maker, made, ids=""), True, wanted, bind=True)
    assert [refused.why.id for refused in plan.refused] == [reason]
    assert not plan.steps


def test_ids_of_an_argument_that_take_the_hosts_card_make_room_for_addresses() -> None:
    plan = plan_of(unbound(changes=(HOSTS_TWIN,)))
    assert new_words(plan) == {f"vfio-doctor.bind={CARD},{AUDIO}"}
    assert plan.arguments is not None
    assert not any("vfio-pci.ids" in word for word in plan.arguments.after)
    assert [refused.why.id for refused in plan.refused] == ["bind-only-display"]


def test_a_function_of_the_chipset_goes_only_if_its_whole_group_is_free() -> None:
    audio = (SMBUS, f"{SMBUS}\n00:14.5 1022:790c 040300 snd_hda_intel 5")
    ids = "vfio-pci.ids=1022:790c"
    plan = plan_of(unbound(ids=ids, changes=(audio,)))
    assert [refused.why.id for refused in plan.refused] == ["bind-chipset"]
    assert not plan.steps
    free = (SMBUS, "00:14.5 1022:790c 040300 snd_hda_intel 5")
    assert plan_of(unbound(ids=ids, changes=(free,))).steps


@for_each(
    ("device", "words"),
    [
        ("0000:00:14.0", "0000:00:14.0 (SMBus) is a function of the chipset"),
        ("0000:00:00.2", "0000:00:00.2 (IOMMU) is a function of the chipset"),
        ("0000:00:01.1", "0000:00:01.1 is a bridge, and stays with the host"),
        ("0000:00:00.0", "0000:00:00.0 is a bridge, and stays with the host"),
    ],
)
def test_what_keeps_the_board_going_is_never_bound(device: str, words: str) -> None:
    host = CapturedHost(unbound(ids=""))
    with pytest.raises(CannotFix) as refused:
        binding(device, Facts(host, Options(devices=(device,), bind=True)))
    assert str(refused.value).startswith(words)
    assert not plan_of(host.capture, True, device, bind=True).steps


def test_a_card_of_such_a_class_is_no_part_of_the_chipset() -> None:
    accelerator = (USB, "09:00.3 1ac1:089a 088000 apex         12")
    host = unbound(ids="", changes=(accelerator,))
    plan = plan_of(host, True, "0000:09:00.3", bind=True)
    assert not plan.refused
    assert plan.steps


TWIN_BUILT_IN = file(
    f"/lib/modules/{KERNEL}/modules.builtin", "kernel/drivers/vfio/pci/vfio-pci.ko\n"
)
OWN_SCRIPT = file("/etc/modprobe.d/vfio.conf", "install vfio-pci /usr/local/bin/bind\n")


@pytest.mark.parametrize(
    ("part", "reason"),
    [(TWIN_BUILT_IN, "bind-twin-built-in"), (OWN_SCRIPT, "bind-twin-script")],
)
def test_a_twin_that_cannot_be_told_apart_is_refused(part: Parts, reason: str) -> None:
    plan = plan_of(unbound(BY_ADDRESS, part, ids="", changes=(TWIN,)))
    assert {refused.why.id for refused in plan.refused} == {reason}
    assert not plan.steps


def test_without_an_iommu_nothing_is_planned() -> None:
    capture = unbound()
    for path in [p for p in capture.stats if "iommu" in p]:
        del capture.stats[path]
    for path in [p for p in capture.lists if "iommu" in p]:
        capture.lists[path] = ()
    assert not plan_of(capture).steps


def test_what_the_host_needs_is_unknown_so_nothing_is_bound() -> None:
    capture = unbound(changes=((GEFORCE, "08:00.0 10de:2482 020000 igc  "),))
    capture.files["/proc/net/route"] = Missing("/proc/net/route", Why.FAILED)
    plan = plan_of(capture)
    assert [refused.why.id for refused in plan.refused] == ["bind-may-be-needed"]
    assert not plan.steps


def test_what_is_set_waits_for_the_reboot() -> None:
    from support.fixture_hosts import systems
    from support.fixture_hosts.systems import MSRS

    following = systems.grub(KERNEL, f"quiet {WHOLE} {MSRS}")
    plan = plan_of(unbound(following))
    assert {refused.why.id for refused in plan.refused} == {"bind-set-already"}
    assert not plan.steps


OTHER_TOOLS = {
    "dracut": (
        Parts({"/usr/bin/dracut": "", f"/boot/initramfs-{KERNEL}.img": ""}),
        {"/etc/dracut.conf.d/vfio-doctor.conf": 'install_optional_items+=" '},
        ("dracut", "--force", "--regenerate-all"),
        ("lsinitrd", f"/boot/initramfs-{KERNEL}.img"),
    ),
    "mkinitcpio": (
        Parts(
            {
                "/usr/bin/mkinitcpio": "",
                "/etc/mkinitcpio.conf": "MODULES=(amdgpu)\nHOOKS=(base udev modconf)\n",
                "/etc/mkinitcpio.d/linux.preset": "PRESETS=('default')\n"
                'default_image="/boot/initramfs-linux.img"\n'
                'fallback_image="/boot/initramfs-linux-fallback.img"\n',
            }
        ),
        {"/etc/mkinitcpio.conf": "MODULES=(vfio_pci vfio vfio_iommu_type1 "},
        ("mkinitcpio", "-P"),
        ("lsinitcpio", "/boot/initramfs-linux.img"),
    ),
}


@pytest.mark.parametrize("name", OTHER_TOOLS)
def test_other_tools_make_the_images(name: str) -> None:
    tools, texts, build, lister = OTHER_TOOLS[name]
    plan = plan_of(unbound(tools=tools))
    assert commands(plan)[:2] == [build, lister]
    for path, text in texts.items():
        assert text in written(plan)[path]


ARCH = OTHER_TOOLS["mkinitcpio"][0]
FOLDER = "/etc/mkinitcpio.conf.d"
FIRST = 'MODULES=(vfio_pci vfio vfio_iommu_type1 "${MODULES[@]}")\n'


def arch(**drop_ins: str) -> Capture:
    files = {f"{FOLDER}/{name}.conf": text for name, text in drop_ins.items()}
    return unbound(tools=ARCH.and_then(*(file(p, t) for p, t in files.items())))


def test_a_drop_in_of_mkinitcpio_that_sets_modules_gets_one_behind_it() -> None:
    plan = plan_of(arch(nvidia="MODULES=(nvidia)\n"))
    assert written(plan)[f"{FOLDER}/zz-vfio-doctor.conf"] == FIRST
    assert "/etc/mkinitcpio.conf" not in written(plan)
    plan = plan_of(arch(other="COMPRESSION=zstd\n"))
    assert written(plan)["/etc/mkinitcpio.conf"].endswith(FIRST)


def test_what_the_drop_ins_of_mkinitcpio_do_already_stays() -> None:
    files = written(plan_of(arch(vfio=FIRST)))
    assert not [path for path in files if "mkinitcpio" in path]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("hooks", "HOOKS=(base systemd)\n", f"HOOKS in {FOLDER}/hooks.conf lacks"),
        ("zzz", "MODULES=(nvidia)\n", f"{FOLDER}/zzz.conf sets MODULES and is"),
    ],
)
def test_drop_ins_of_mkinitcpio_that_stand_in_the_way(
    name: str, text: str, words: str
) -> None:
    plan = plan_of(arch(**{name: text}))
    assert [str(refused.why).startswith(words) for refused in plan.refused] == [True]
    assert not plan.steps


@for_each(
    ("tools", "reason"),
    [
        (Parts(), "image-tool-unknown"),
        (TOOLS.and_then(file("/usr/bin/dracut", "")), "image-tool-several"),
        (
            Parts(
                {"/usr/bin/mkinitcpio": "", "/etc/mkinitcpio.conf": "HOOKS=(base)\n"}
            ),
            "mkinitcpio-no-modconf",
        ),
    ],
)
def test_images_that_cannot_be_made_are_said(tools: Parts, reason: str) -> None:
    plan = plan_of(unbound(tools=tools))
    assert {refused.why.id for refused in plan.refused} == {reason}
    assert not plan.steps


OVERRIDDEN = said(CARD, "driver_override", "vfio-pci")
NO_DRIVER = ((GEFORCE, "08:00.0 10de:2482 030000 -        "),)
LOADED = file("/sys/bus/pci/drivers/vfio-pci/bind", "")


def test_an_override_that_nobody_probed_is_probed_at_once() -> None:
    plan = plan_of(unbound(OVERRIDDEN, LOADED, ids="", changes=NO_DRIVER), risky=False)
    assert [fix.id for fix in plan.fixes] == ["probe-overridden"]
    assert plan.steps[-1].step == ProbeStep(f"{PCI}/{CARD}", "vfio-pci")


def test_an_override_of_the_card_with_the_screen_is_not_probed() -> None:
    screen = said(CARD, "boot_vga", "1")
    plan = plan_of(unbound(OVERRIDDEN, LOADED, screen, ids="", changes=NO_DRIVER))
    assert "probe-host-needs" in {refused.why.id for refused in plan.refused}
    assert not plan.steps


OSTREE = file("/run/ostree-booted", "")
SHIPPED = file("/usr/lib/dracut/dracut.conf.d/80-vfio.conf", "force_drivers+=...\n")


def test_an_image_that_ships_vfio_pci_gets_arguments_alone() -> None:
    made = binding(CARD, Facts(CapturedHost(unbound(OSTREE, SHIPPED))))
    assert made.arguments == (
        ("vfio-pci.ids", "10de:2482"),
        ("vfio-pci.ids", "10de:228b"),
        ("rd.driver.pre", "vfio-pci"),
    )
    assert (made.lines, made.early) == ((), False)


@for_each(
    ("parts", "reason", "words"),
    [
        (
            (OSTREE, file("/usr/bin/bootc", "")),
            "bind-image-lacks",
            ("bootc makes none on this machine", "managed='yes'", "force_drivers"),
        ),
        ((file("/etc/NIXOS", ""),), "bind-nixos", ("boot.kernelParams", WHOLE)),
        (
            (OSTREE, SHIPPED, BY_ADDRESS),
            "bind-twin-in-image",
            ("comes with the system's image",),
        ),
    ],
)
def test_where_files_do_not_help_the_way_is_said(
    parts: tuple[Parts, ...], reason: str, words: tuple[str, ...]
) -> None:
    changes = (TWIN,) if BY_ADDRESS in parts else ()
    ids = "" if BY_ADDRESS in parts else IDS
    host = CapturedHost(unbound(*parts, ids=ids, changes=changes))
    with pytest.raises(CannotFix) as refused:
        binding(CARD, Facts(host))
    assert refused.value.message.id == reason
    assert [word for word in words if word not in str(refused.value)] == []
