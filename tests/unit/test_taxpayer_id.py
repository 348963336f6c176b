"""The unified social credit code of GB 32100-2015."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebate_monitor.ingest.taxpayer_id import ALPHABET, LENGTH, check_digit, is_taxpayer_id

EXAMPLE = "91350100M000100Y43"
BODIES = st.text(ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1)


def test_the_example_of_the_standard() -> None:
    """The code that GB 32100 itself gives as its example is right."""
    assert check_digit(EXAMPLE[:-1]) == "3"
    assert is_taxpayer_id(EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-1],
        EXAMPLE + "0",
        EXAMPLE.lower(),
        EXAMPLE[:-1] + "4",
        " " + EXAMPLE[1:],
        "9135010OM00010OY43",
        "９1350100M000100Y43",
        EXAMPLE[:-1] + "\u0000",
        EXAMPLE + "\n",
    ],
)
def test_what_is_none(text: str) -> None:
    """Another length, another alphabet or another check digit is no taxpayer id."""
    assert not is_taxpayer_id(text)


def test_the_alphabet_leaves_out_what_is_mistaken() -> None:
    """The letters I, O, S, V and Z are not used."""
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(ALPHABET) == set("IOSVZ")


@given(BODIES)
def test_one_check_digit_is_right(body: str) -> None:
    """Every body has exactly one check digit."""
    assert [check_digit(body)] == [c for c in ALPHABET if is_taxpayer_id(body + c)]


@given(BODIES, st.integers(0, LENGTH - 2), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_found(body: str, place: int, other: str) -> None:
    """A single mistyped character never passes."""
    right = body + check_digit(body)
    wrong = right[:place] + other + right[place + 1 :]

    assert (right == wrong) == is_taxpayer_id(wrong)


@given(BODIES, st.integers(0, LENGTH - 3))
def test_two_swapped_neighbours_are_found(body: str, place: int) -> None:
    """Two neighbours mistyped in each other's place never pass."""
    right = body + check_digit(body)
    wrong = right[:place] + right[place + 1] + right[place] + right[place + 2 :]

    assert (right == wrong) == is_taxpayer_id(wrong)
