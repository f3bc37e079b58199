"""Kernel arguments about the IOMMU and this field's modules, as the sources name them.

What they do is judged with the facts; which words there are is known here, where
redaction asks too.
"""

from __future__ import annotations

from functools import cache

from vfio_doctor.parse.near import distance

# Up to this length a name one slip away is another word more often than not.
SHORT, LONG = 4, 9

INTEL_KNOWN = (
    "on",
    "off",
    "igfx_off",
    "intgpu_off",
    "forcedac",
    "strict",
    "sp_off",
    "sm_on",
    "sm_off",
    "tboot_noforce",
    "nobounce",
    "ecs_off",
    "pasid28",
)
AMD_KNOWN = (
    "fullflush",
    "force_enable",
    "off",
    "force_isolation",
    "pgtbl_v",
    "irtcachedis",
    "nohugepages",
    "v2_pgsizes_only",
)
X86_KNOWN = (
    "off",
    "force",
    "noforce",
    "biomerge",
    "panic",
    "nopanic",
    "merge",
    "nomerge",
    "forcesac",
    "allowdac",
    "nodac",
    "usedac",
    "soft",
    "pt",
    "nopt",
    "fullflush",
    "nofullflush",
    "noagp",
    "noaperture",
    "memaper",
    "leak",
    "calgary",
)
KNOWN = {"intel_iommu": INTEL_KNOWN, "amd_iommu": AMD_KNOWN, "iommu": X86_KNOWN}
# Names that no parameter has, and the one that was probably meant.
MISSPELT = {
    "amd.iommu": "amd_iommu",
    "amd_immou": "amd_iommu",
    "amd_iommo": "amd_iommu",
    "amd_iommuu": "amd_iommu",
    "amd_iomu": "amd_iommu",
    "amdiommu": "amd_iommu",
    "imommu": "iommu",
    "immou": "iommu",
    "intel.iommu": "intel_iommu",
    "intel_immou": "intel_iommu",
    "intel_iommo": "intel_iommu",
    "intel_iomu": "intel_iommu",
    "inteliommu": "intel_iommu",
    "iomu": "iommu",
    "kvm.ignored_msrs": "kvm.ignore_msrs",
    "kvm.report_ignore_msrs": "kvm.report_ignored_msrs",
    "ignore_msrs": "kvm.ignore_msrs",
    "report_ignored_msrs": "kvm.report_ignored_msrs",
    "static_size_mb": "kvmfr.static_size_mb",
    "kvm_ignore_msrs": "kvm.ignore_msrs",
    "kvm_report_ignored_msrs": "kvm.report_ignored_msrs",
    "kvmfr.size": "kvmfr.static_size_mb",
    "kvmfr.static_size": "kvmfr.static_size_mb",
    "kvmfr_static_size_mb": "kvmfr.static_size_mb",
    "rd.driver_pre": "rd.driver.pre",
    "vfio.allow_unsafe_interrupts": "vfio_iommu_type1.allow_unsafe_interrupts",
    "vfio_pci.allow_unsafe_interrupts": "vfio_iommu_type1.allow_unsafe_interrupts",
    "vfio_iommu.allow_unsafe_interrupts": "vfio_iommu_type1.allow_unsafe_interrupts",
    "vfio.disable_idle_d3": "vfio-pci.disable_idle_d3",
    "vfio.disable_vga": "vfio-pci.disable_vga",
    "vfio.ids": "vfio-pci.ids",
    "vfio_ids": "vfio-pci.ids",
    "vfio_pci.id": "vfio-pci.ids",
    "vfio_pci_ids": "vfio-pci.ids",
    "vfiopci.ids": "vfio-pci.ids",
    "kvm.allow_unsafe_assigned_interrupts": (
        "vfio_iommu_type1.allow_unsafe_interrupts"
    ),
}
IDS = "vfio_pci.ids"
# Parameters of this field, as they are spelt, with _ for -.
REAL = frozenset(
    (
        "iommu",
        "intel_iommu",
        "amd_iommu",
        "amd_iommu_dump",
        "amd_iommu_intr",
        "intremap",
        "nointremap",
        "iommu.passthrough",
        "iommu.strict",
        "iommu.forcedac",
        "pcie_acs_override",
        "kvm.ignore_msrs",
        "kvm.report_ignored_msrs",
        "kvm_intel.nested",
        "kvm_amd.nested",
        "kvmfr.static_size_mb",
        "vfio_pci.ids",
        "vfio_pci.disable_vga",
        "vfio_pci.disable_idle_d3",
        "vfio_pci.nointxmask",
        "vfio_pci.enable_sriov",
        "vfio.enable_unsafe_noiommu_mode",
        "vfio_iommu_type1.allow_unsafe_interrupts",
        "vfio_iommu_type1.dma_entry_limit",
        "vfio_iommu_type1.disable_hugepages",
        "rd.driver.pre",
        "rd.driver.post",
        "rd.driver.blacklist",
        "modprobe.blacklist",
        "module_blacklist",
        "initcall_blacklist",
        "modules_load",
        "rd.modules_load",
        "hugepages",
        "hugepagesz",
        "default_hugepagesz",
        "hugetlb_cma",
        "isolcpus",
        "nohz_full",
        "rcu_nocbs",
        "pcie_aspm",
        "pcie_port_pm",
        "split_lock_detect",
    )
)


@cache
def nearest(key: str) -> str:
    """Return the real parameter that a name differs from by a slip, or ""."""
    if key in REAL or len(key) <= SHORT:
        return ""
    most = 2 if len(key) > LONG else 1
    near = sorted((distance(key, name, most), name) for name in REAL)
    slips, name = near[0]
    return name.replace("vfio_pci.", "vfio-pci.") if slips <= most else ""


def right_name(key: str, value: str) -> str:
    """Return the parameter that a name was probably meant for, "" if it is one.

    ``key`` is as it stands, with _ for -.
    """
    name = key.lower()
    if name in REAL:
        # Names of parameters are compared letter by letter; - and _ are one.
        right = "" if key == name else name
    elif name.startswith("vfio.pci"):
        right = f"vfio_pci.{name.removeprefix('vfio.pci').lstrip('._')}"
    elif is_ids_elsewhere(name, value):
        right = IDS
    else:
        right = MISSPELT.get(name) or nearest(name)
    return right.replace("vfio_pci.", "vfio-pci.")


def is_ids_elsewhere(name: str, value: str) -> bool:
    """Tell whether a list of ids stands where no parameter takes it."""
    if name == "ids":
        return is_list(value)
    if name == "vfio_pci":
        return value == "ids" or (value[:4] == "ids=" and is_list(value[4:]))
    # What follows the name is no value without a =.
    return name.startswith(f"{IDS}:") and is_list(name.removeprefix(f"{IDS}:"))


def is_list(text: str) -> bool:
    """Tell whether a text is ids as vfio-pci takes them, and nothing else."""
    return all(map(_is_pair, text.split(",")))


def _is_pair(item: str) -> bool:
    # Few hosts have a word that asks for it.
    from vfio_doctor.parse.vfio_ids import is_bus_address, parse_id, unread_part

    whole = parse_id(item) is not None and not unread_part(item)
    return whole and not is_bus_address(item)
