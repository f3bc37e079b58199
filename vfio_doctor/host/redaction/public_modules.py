"""Kernel modules by name: those of this field, and those that many machines load."""

from __future__ import annotations

from vfio_doctor.host.redaction.listed import listed

# What passthrough and Looking Glass are made of: their parameters matter too.
FIELD = listed(
    """
    kvm kvm_amd kvm_intel kvmfr vfio vfio_pci vfio_pci_core vfio_iommu_type1 iommufd
    vfio_virqfd vfio_mdev mdev vfio_platform vendor_reset kvmgt irqbypass pci_stub
    """
)
_COMMON = """
acpi_cpufreq acpi_pad acpi_power_meter acpi_tad acpi_thermal_rel acpiphp acpi_call
aesni_intel af_packet ahci alx amd_atl amd_iommu_v2 amd_pmc amd_pmf amdgpu amdxcp
amdxdna amd_pstate apple_bce asus_nb_wmi asus_wmi asus_ec_sensors ata_generic ata_piix
ath10k_core ath10k_pci ath11k ath11k_pci ath12k ath9k atlantic autofs4 battery
binfmt_misc blake2b_generic bluetooth bnep bochs bonding br_netfilter bridge brcmfmac
btbcm btintel btmtk btrfs btrtl btusb button ccp cdc_acm cdc_ether cdc_ncm cdrom cec
cfbcopyarea cfbfillrect cfbimgblt cfg80211 coretemp corsair_cpro crc16 crc32_pclmul
crc32c_generic crc32c_intel crc64 crct10dif_pclmul cryptd cryptomgr curve25519_x86_64
dca dell_smbios dell_wmi dm_cache dm_crypt dm_mirror dm_mod dm_multipath dm_raid
dm_region_hash dm_snapshot dm_thin_pool drm drm_buddy drm_display_helper drm_exec
drm_gpuvm drm_kms_helper drm_shmem_helper drm_suballoc_helper drm_ttm_helper dummy e1000
e1000e eeepc_wmi efi_pstore efivarfs efivars ehci_hcd ehci_pci evdev ext4 exfat fat
failover fb_sys_fops fbcon firewire_core firewire_ohci fuse gameport ghash_clmulni_intel
gpio_amdpt gpio_generic gpu_sched hid hid_apple hid_corsair hid_generic hid_logitech_dj
hid_logitech_hidpp hid_multitouch hid_nintendo hid_playstation hid_sony hid_steam hp_wmi
hwmon hwmon_vid i2c_algo_bit i2c_amd_mp2_pci i2c_dev i2c_hid i2c_hid_acpi i2c_i801
i2c_nvidia_gpu i2c_piix4 i2c_smbus i915 ice idma64 igb igc inet_diag intel_agp
intel_cstate intel_gtt intel_hid intel_lpss intel_lpss_pci intel_pch_thermal
intel_pmc_bxt intel_pmc_core intel_powerclamp intel_rapl_common intel_rapl_msr
intel_tcc_cooling intel_uncore intel_uncore_frequency intel_vsec intel_wmi_thunderbolt
iommu_v2 ip6_tables ip6table_filter ip_set ip_tables ipmi_devintf ipmi_msghandler
ipmi_si iptable_filter iptable_nat isofs it87 iTCO_vendor_support iTCO_wdt iwlmvm
iwlwifi ixgbe jbd2 jc42 joydev k10temp ledtrig_audio libahci libarc4 libata libcrc32c
libphy llc lockd loop lp lpc_ich mac80211 macvlan macvtap mac_hid mbcache mc mdio md_mod
mei mei_hdcp mei_me mei_pxp mousedev mpt3sas msdos msr mt76 mt7921e mt7925e mtd
mlx4_core mlx5_core mxm_wmi nct6683 nct6775 net_failover netconsole nf_conntrack
nf_defrag_ipv4 nf_defrag_ipv6 nf_nat nf_tables nfnetlink nfs nfsd nft_chain_nat
nft_compat nft_ct nft_fib nft_reject nft_masq nls_ascii nls_cp437 nls_iso8859_1 nls_utf8
nouveau ntfs3 ntsync nvidia nvidia_drm nvidia_modeset nvidia_peermem nvidia_uvm
nvidia_fs nvme nvme_auth nvme_core nvme_fabrics nvme_keyring nvmem_rmem ohci_hcd
ohci_pci openvswitch overlay parport parport_pc pata_acpi pcc_cpufreq pci_hyperv pcspkr
pinctrl_alderlake pinctrl_amd pinctrl_cannonlake pinctrl_tigerlake pmt_class
pmt_telemetry polyval_clmulni polyval_generic ppdev processor processor_thermal_device
ps2mouse psmouse qemu_fw_cfg qrtr qxl r8125 r8152 r8168 r8169 radeon raid0 raid1 raid10
raid456 raid6_pq rapl realtek rfcomm rfkill rng_core rtl8xxxu rtw88_core rtw88_pci
rtw89_core rtw89_pci sata_sil24 sch_fq_codel scsi_common scsi_mod scsi_transport_sas
sd_mod serio_raw sg sha1_ssse3 sha256_ssse3 sha512_ssse3 simpledrm snd snd_acp_config
snd_compress snd_ctl_led snd_hda_codec snd_hda_codec_generic snd_hda_codec_hdmi
snd_hda_codec_realtek snd_hda_core snd_hda_ext_core snd_hda_intel snd_hrtimer snd_hwdep
snd_intel_dspcfg snd_intel_sdw_acpi snd_pci_acp3x snd_pci_acp5x snd_pci_acp6x snd_pcm
snd_pcm_dmaengine snd_rawmidi snd_rn_pci_acp3x snd_rpl_pci_acp6x snd_seq snd_seq_device
snd_seq_dummy snd_seq_midi snd_soc_core snd_sof snd_sof_pci snd_timer snd_ucm
snd_usb_audio snd_usbmidi_lib soundcore soundwire_bus sp5100_tco spi_amd spi_intel
spi_intel_pci spl sr_mod st stp sunrpc sunxi synaptics syscopyarea sysfillrect sysimgblt
tap tcp_bbr tee thermal think_lmi thinkpad_acpi thunderbolt tiny_power_button tls tpm
tpm_crb tpm_tis tpm_tis_core ttm tun typec typec_ucsi uas ucsi_acpi ucsi_ccg udf
uhci_hcd uhid uinput usb_common usb_storage usbcore usbhid usblp usbmouse usbkbd
uvcvideo v4l2loopback vboxdrv vboxnetadp vboxnetflt veth vfat vga16fb vgastate vhost
vhost_iotlb vhost_net vhost_scsi vhost_vsock video videobuf2_common videobuf2_memops
videobuf2_v4l2 videobuf2_vmalloc videodev virtio virtio_balloon virtio_blk
virtio_console virtio_dma_buf virtio_fs virtio_gpu virtio_input virtio_net virtio_pci
virtio_pci_legacy_dev virtio_pci_modern_dev virtio_ring virtio_rng virtio_scsi
virtio_iommu vivaldi_fmap vmd vmw_balloon vmwgfx vsock watchdog wireguard wmi wmi_bmof
x_tables xe aacraid ast be2net bnx2x bnxt_en ehci_pci hpilo hpsa hpwdt i40e i40evf
i801_smbus iavf idxd ie31200_edac igbvf igen6_edac intel_ipu6 intel_ish_ipc ioatdma
iosm ixgbevf lpfc megaraid_sas mgag200 nvidia_gpu pch_thermal pcieport piix4_smbus
proc_thermal proc_thermal_pci qla2xxx rtsx_pci sdhci_pci shpchp skl_uncore
sof_audio_pci_intel_cnl sof_audio_pci_intel_mtl sof_audio_pci_intel_tgl tg3
xen_blkfront xen_netfront xfrm_algo xfs xhci_hcd xhci_pci xhci_pci_renesas
xor xpad xpadneo xt_comment xt_conntrack xt_mark xt_MASQUERADE xt_nat xt_tcpudp z3fold
zenpower zfs zfs_common zram zsmalloc zstd_compress zunicode zavl zcommon znvpair icp
"""
MODULES = FIELD | listed(_COMMON)
# The parameters of this field's modules, as their sources name them.
PARAMETERS = listed(
    """
    allow_unsafe_interrupts allow_unsafe_assigned_interrupts avic avic_ipiv
    disable_denylist disable_idle_d3 disable_vga dma_entry_limit dump_invalid_vmcb
    dump_invalid_vmcs eager_page_split emulate_invalid_guest_state enable_apicv
    enable_device_posted_irqs enable_ipiv enable_pmu enable_shadow_vmcs enable_sriov
    enable_unsafe_noiommu_mode enable_vmware_backdoor ept eptad
    error_on_inconsistent_vmcs_config fasteoi flexpriority flush_on_reuse force_avic
    force_emulation_prefix halt_poll_ns halt_poll_ns_grow halt_poll_ns_grow_start
    halt_poll_ns_shrink ids ignore_msrs intercept_smi kvmclock_periodic_sync
    lapic_timer_advance lapic_timer_advance_ns lbrv min_timer_period_us
    mitigate_smt_rsb mmio_caching nested nested_early_check noiommu nointxmask npt
    nrips nx_huge_pages nx_huge_pages_recovery_period_ms
    nx_huge_pages_recovery_ratio pause_filter_count pause_filter_count_grow
    pause_filter_count_max pause_filter_count_shrink pause_filter_thresh ple_gap
    ple_window ple_window_grow ple_window_max ple_window_shrink pml preemption_timer
    report_ignored_msrs sev sev_es sev_snp sgx static_size_mb tdp_mmu tsc_scaling
    tsc_tolerance_ppm unrestricted_guest vector_hashing vgif vls vmentry_l1d_flush
    vnmi vpid pi_inject_timer x2avic vgpu
    """
)
