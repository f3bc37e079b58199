from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.facts.kvmfr import size as kvmfr_size
from vfio_doctor.facts.kvmfr.size import MIB

# Mode, bytes of the display driver, then sizes: display driver, B7 SDR, B7 HDR.
TABLE = """
1280x720 15253504 16 32 32
1366x768 17170432 32 32 32
1600x900 21474304 32 32 32
1680x1050 25967104 32 32 64
1920x1080 29077504 32 32 64
1920x1200 31842304 32 32 64
2560x1080 37371904 64 32 64
2560x1440 48431104 64 64 128
2560x1600 53346304 64 64 128
2880x1800 66402304 64 64 128
3000x2000 76386304 128 64 128
3440x1440 63913984 64 64 128
3840x1600 77922304 128 64 128
3840x2160 103727104 128 128 256
3840x2400 114786304 128 128 256
5120x1440 92667904 128 128 128
5120x2160 136904704 256 128 256
5120x2880 181141504 256 128 256
6016x3384 248492032 256 256 512
7680x2160 203259904 256 256 512
7680x4320 402325504 512 512 1024
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


@for_each("row", ROWS, ids=[row[0] for row in ROWS])
def test_table(row: list[str]) -> None:
    width, height = (int(number) for number in row[0].split("x"))
    need, idd, sdr, hdr = (int(number) for number in row[1:])
    pow2 = kvmfr_size.power_of_two_mib
    assert kvmfr_size.idd_bytes(width, height) == need
    assert pow2(need) == idd
    assert pow2(kvmfr_size.b7_bytes(width, height)) == sdr
    assert pow2(kvmfr_size.b7_bytes(width, height, hdr=True)) == hdr
    assert kvmfr_size.recommended_mib([(width, height)]) == max(idd, sdr, 32)


@for_each(
    ("modes", "expected"),
    [
        ([], 128),
        ([(640, 480)], 32),
        ([(1920, 1080), (3840, 2160)], 128),
        ([(15360, 8640)], 1024),
        ([(0, 0)], 32),
    ],
)
def test_recommended(modes: list[tuple[int, int]], expected: int) -> None:
    assert kvmfr_size.recommended_mib(modes) == expected


@for_each(
    ("value", "mib", "errors", "doubts"),
    [
        ("128", (128,), 0, 0),
        ("64,128", (64, 128), 0, 0),
        ("0x40", (64,), 0, 0),
        ("0100", (64,), 0, 0),
        ("+64", (64,), 0, 0),
        ("0", (0,), 1, 0),
        ("-1", (-1,), 1, 0),
        ("2047", (2047,), 0, 1),
        ("2048", (2048,), 1, 0),
        ("100", (100,), 0, 1),
        ("16", (16,), 0, 1),
        ("64,100", (64, 100), 0, 1),
        ("128M", (), 1, 0),
        ("64,", (), 1, 0),
        ("64 ", (), 1, 0),
        ("6_4", (), 1, 0),
        ("09", (), 1, 0),
        ("0x", (), 1, 0),
        ("4294967296", (), 1, 0),
        ("٦٤", (), 1, 0),
        ("", (), 1, 0),
        (None, (), 1, 0),
        (",".join(["32"] * 10), (32,) * 10, 0, 0),
        (",".join(["32"] * 11), (), 1, 0),
    ],
)
def test_values(
    value: str | None, mib: tuple[int, ...], errors: int, doubts: int
) -> None:
    sizes = kvmfr_size.made_of(value)
    assert sizes.mib == mib
    assert (len(sizes.errors), len(sizes.doubts)) == (errors, doubts)


@given(st.text())
def test_never_raises(value: str) -> None:
    sizes = kvmfr_size.made_of(value)
    assert sizes.errors or all(0 < mib < 2048 for mib in sizes.mib)


@given(st.integers(1, 20000), st.integers(1, 20000))
def test_recommendation_holds_the_picture(width: int, height: int) -> None:
    mib = kvmfr_size.recommended_mib([(width, height)])
    assert mib & (mib - 1) == 0
    assert 32 <= mib <= 1024
    assert mib == 1024 or mib * MIB >= kvmfr_size.idd_bytes(width, height)
