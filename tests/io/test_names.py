"""Names that a format cannot hold get readable substitutes, each once."""

import keyword
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from polarbgb.io.names import LINE, WORD, replaced, tree_word, word

NAMES = [
    "glat",
    "temp<1>",
    "T:1",
    "a,b",
    "Größe",
    "hk temp",
    'q"x',
    "{z}",
    "温度",
    "hk[0]",
    "orbit.glat",
    "hk_0",
    "GLAT",
]


def test_words_are_kept_and_others_become_readable_words():
    assert replaced(NAMES, WORD) == {
        "temp<1>": "temp_1", "T:1": "T_1", "a,b": "a_b", "Größe": "Grosse", "hk temp": "hk_temp", 'q"x': "q_x",
        "{z}": "z", "温度": "column", "hk[0]": "hk_0_2", "orbit.glat": "orbit_glat", "GLAT": "GLAT_2",
    }  # fmt: skip


def test_headers_of_text_files_hold_nearly_all_names():
    assert replaced([*NAMES, "two\nlines", " blank "], LINE) == {
        'q"x': "q_x", "GLAT": "GLAT_2", "two\nlines": "two_lines", " blank ": "blank",
    }  # fmt: skip
    assert replaced(["counts_0"], LINE, taken=["counts_0", "counts_1"]) == {"counts_0": "counts_0_2"}


@given(st.lists(st.text(max_size=6), unique=True), st.sampled_from([WORD, LINE]))
def test_the_names_of_a_file_are_held_and_different(names, held):
    renamed = replaced(names, held)
    written = [renamed.get(name, name) for name in names]
    assert all(held.fullmatch(name) for name in written)
    assert max(Counter(name.lower() for name in written).values(), default=1) == 1
    assert all(WORD.fullmatch(name) for name in renamed.values())


@given(st.text())
def test_every_name_has_a_word(name):
    assert word(name).isidentifier() or keyword.iskeyword(word(name))


def test_a_tree_is_written_without_its_folder_and_cycle():
    assert [tree_word(tree) for tree in ("rates", "day 1/my rates;3", "a/b/c", "1")] == ["rates", "my_rates", "c", "_1"]
