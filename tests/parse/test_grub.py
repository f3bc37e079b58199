from hypothesis import given
from hypothesis import strategies as st

from support.effort import examples
from support.rows import for_each
from vfio_doctor.parse import grub

# As grub-mkconfig writes it on Debian and Ubuntu, shortened.
MENU = """
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   set boot_once=true
else
   set default="DEFAULT"
fi
function gfxmode {
\tset gfxpayload="${1}"
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'simple-1' {
\tinsmod gzio
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\techo\t'Loading Linux 6.1 { ...'
\tlinux\t/vmlinuz-6.1.0-2 root=UUID=1 ro  quiet $vt_handoff
\tinitrd\t/initrd.img-6.1.0-2
}
submenu 'Advanced options' $menuentry_id_option 'advanced-1' {
\tmenuentry 'with Linux 6.1.0-2' --class debian $menuentry_id_option 'a-2' {
\t\tlinux\t/vmlinuz-6.1.0-2 root=UUID=1 ro quiet
\t}
\tmenuentry 'with Linux 6.1.0-1' --class debian $menuentry_id_option 'a-1' {
\t\tlinux\t/vmlinuz-6.1.0-1 root=UUID=1 ro old
\t}
}
menuentry "UEFI Firmware Settings" --id uefi-firmware {
\tfwsetup
}
"""


def chosen(default: str, **environment: str) -> grub.MenuEntry | None:
    text = MENU.replace("DEFAULT", default)
    return grub.choose(grub.menu(text), grub.default(text, environment))


CHOICES = [
    ("0", {}, "/vmlinuz-6.1.0-2", "quiet"),
    ("1>1", {}, "/vmlinuz-6.1.0-1", "old"),
    ("1", {}, "/vmlinuz-6.1.0-2", "quiet"),
    ("advanced-1>a-1", {}, "/vmlinuz-6.1.0-1", "old"),
    ("Advanced options>with Linux 6.1.0-1", {}, "/vmlinuz-6.1.0-1", "old"),
    ("gone", {}, "/vmlinuz-6.1.0-2", "quiet"),
    ("${saved_entry}", {}, "/vmlinuz-6.1.0-2", "quiet"),
    ("${saved_entry}", {"saved_entry": "1>a-1"}, "/vmlinuz-6.1.0-1", "old"),
    ("0", {"saved_entry": "1>a-1"}, "/vmlinuz-6.1.0-2", "quiet"),
    ("0", {"next_entry": "1>1"}, "/vmlinuz-6.1.0-1", "old"),
    ("2", {}, "", ""),
    ("uefi-firmware", {}, "", ""),
]


@for_each(("default", "environment", "kernel", "word"), CHOICES)
def test_default_entry(
    default: str, environment: dict[str, str], kernel: str, word: str
) -> None:
    found = chosen(default, **environment)
    assert found is not None
    assert found.kernel == kernel
    assert found.words[-1:] == ((word,) if word else ())


def test_variables_of_grub_are_not_words() -> None:
    found = chosen("0")
    assert found is not None
    assert found.words == ("root=UUID=1", "ro", "quiet")


def test_environment() -> None:
    text = "# GRUB Environment Block\nsaved_entry=a\\\\b\nkernelopts=root=x ro\n####"
    assert grub.environment(text) == {"saved_entry": "a\\b", "kernelopts": "root=x ro"}


@for_each(
    ("line", "words"),
    [
        ("a  b\t'c d'", ("a", "b", "c d")),
        ('set default="1>2"', ("set", "default=1>2")),
        ('"a\\"b" \\ c # d', ('a"b', " c")),
        ("a;b", ("a", "b")),
        ("#a", ()),
        ("a#b ''", ("a#b", "")),
        ("'open", ("open",)),
    ],
)
def test_tokens(line: str, words: tuple[str, ...]) -> None:
    assert grub.tokens(line) == words


def test_no_menu() -> None:
    assert grub.choose((), "0") is None
    assert grub.default("", {}) == "0"
    assert grub.menu("}\n}\nlinux /x\nmenuentry {\nlinux\n}\n")[0].kernel == ""


@examples(150)
@given(
    st.lists(
        st.sampled_from([*MENU.split("\n"), "{", "}", "menuentry 'x' {", "linux /k a"])
        | st.text(max_size=20)
    )
)
def test_any_text_is_a_menu(lines: list[str]) -> None:
    text = "\n".join(lines)
    environment = grub.environment(text)
    grub.choose(grub.menu(text), grub.default(text, environment))
