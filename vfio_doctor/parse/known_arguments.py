"""Kernel arguments about the IOMMU and this field's modules, as the sources name them.

What they do is judged with the facts; which words there are is known here, where
redaction asks too.
"""

from __future__ import annotations

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
    "kvm_ignore_msrs": "kvm.ignore_msrs",
    "kvm_report_ignored_msrs": "kvm.report_ignored_msrs",
    "kvmfr.size": "kvmfr.static_size_mb",
    "kvmfr.static_size": "kvmfr.static_size_mb",
    "kvmfr_static_size_mb": "kvmfr.static_size_mb",
    "rd.driver_pre": "rd.driver.pre",
    "vfio.disable_vga": "vfio-pci.disable_vga",
    "vfio.ids": "vfio-pci.ids",
    "vfio_ids": "vfio-pci.ids",
    "vfio_pci.id": "vfio-pci.ids",
    "vfio_pci_ids": "vfio-pci.ids",
    "vfiopci.ids": "vfio-pci.ids",
}
