from hypothesis import given
from hypothesis import strategies as st

from support.rows import for_each
from vfio_doctor.parse import limine

MENU = """timeout: 5
{}
/+CachyOS
comment: machine-id=1
  //linux-cachyos
  protocol: linux
  path: boot():/1/linux-cachyos/vmlinuz-linux-cachyos
  cmdline: quiet iommu=pt
  //Snapshots
    ///one
    cmdline: old
  //linux-lts
  kernel_path: boot():/1/vmlinuz-linux-lts
  kernel_cmdline: lts
/EFI fallback
protocol: efi
"""


@for_each(
    ("head", "arguments"),
    [
        ("default_entry: 2", "quiet iommu=pt"),
        ("default_entry: 4", "lts"),
        ("", None),
        ("default_entry: 5", None),
    ],
)
def test_default(head: str, arguments: str | None) -> None:
    found = limine.default(limine.menu(MENU.replace("{}", head)))
    assert found is not None
    assert found.arguments == arguments


@for_each(
    "head",
    [
        "default_entry: 9",
        "default_entry: 0",
        "default_entry: x",
        "remember_last_entry: yes",
    ],
)
def test_default_that_is_not_written(head: str) -> None:
    assert limine.default(limine.menu(MENU.replace("{}", head))) is None


def test_kernel() -> None:
    shown = limine.menu(MENU).shown
    assert [one.title for one in shown] == [
        "CachyOS",
        "linux-cachyos",
        "Snapshots",
        "linux-lts",
        "EFI fallback",
    ]
    assert shown[3].kernel == "boot():/1/vmlinuz-linux-lts"


@given(st.lists(st.sampled_from(MENU.split("\n")) | st.text(max_size=20)))
def test_any_text_is_a_menu(lines: list[str]) -> None:
    limine.default(limine.menu("\n".join(lines)))
