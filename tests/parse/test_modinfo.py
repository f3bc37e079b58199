from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vfio_doctor.parse import modinfo

SIGNED = """\
filename:       /lib/modules/6.14.6/extra/kvmfr/kvmfr.ko.xz
version:        0.0.12
author:         A: B
name:           kvmfr
vermagic:       6.14.6 SMP preempt mod_unload modversions
sig_id:         PKCS#7
signer:         ublue kernel
sig_key:        5B:79:
		1A:2B: vermagic
sig_hashalgo:   sha256
parm:           static_size_mb:List of static devices to create in MiB (array of int)
"""


def test_signed() -> None:
    info = modinfo.parse(SIGNED)
    assert info == modinfo.ModuleInfo(
        "/lib/modules/6.14.6/extra/kvmfr/kvmfr.ko.xz",
        "0.0.12",
        "6.14.6 SMP preempt mod_unload modversions",
        "ublue kernel",
        "PKCS#7",
        ("static_size_mb",),
        "5B:79:",
    )
    assert (info.signed, info.release, info.checks_symbols) == (True, "6.14.6", True)


def test_signed_by_nobody_known() -> None:
    info = modinfo.parse("sig_id: PKCS#7\nsigner:\nvermagic: 6.1 SMP\n")
    assert (info.signed, info.signer, info.checks_symbols) == (True, "", False)


def test_unsigned() -> None:
    assert modinfo.parse("") == modinfo.ModuleInfo()
    assert not modinfo.parse("filename: x\n").signed


@given(st.text())
def test_never_raises(text: str) -> None:
    info = modinfo.parse(text)
    assert info.release in info.vermagic
