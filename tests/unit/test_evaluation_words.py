"""What groups are called, and what a closed month says, in both languages."""

import string

import pytest

from rebate_monitor.api.evaluation import FOLDER, group_name
from rebate_monitor.catalogue import Language, catalogue
from rebate_monitor.domain.event import Category, RebateType
from rebate_monitor.domain.frozen import FROZEN_GROUPINGS, ChangedBy
from rebate_monitor.domain.policy import Scope
from rebate_monitor.domain.standing import EndedAs
from rebate_monitor.domain.tally import UNKNOWN_CATEGORY
from rebate_monitor.places import Place, Places

PLACES = Places(
    cities={"430100": Place(code="430100", name_zh="长沙市", name_en="Changsha")},
    offices={"14301000000": Place(code="14301000000", name_zh="长沙市税务局", name_en="Office")},
)


def test_languages_have_the_same_phrases() -> None:
    """Whatever one language says the other says with the same values."""
    zh, en = (
        {
            key: {name for _, name, _, _ in string.Formatter().parse(phrase) if name}
            for key, phrase in catalogue(FOLDER, language).phrases.items()
        }
        for language in Language
    )

    assert zh == en


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("category", {*Category, UNKNOWN_CATEGORY}),
        ("rebate_type", {*RebateType, UNKNOWN_CATEGORY}),
        ("scope", set(Scope)),
        ("by", set(FROZEN_GROUPINGS)),
        ("ended", {*EndedAs, "refiled", "nothing", "workdays", "place"}),
        ("cause", set(ChangedBy)),
    ],
)
def test_every_word_can_be_said(section: str, words: set[str]) -> None:
    """A category, type, scope, grouping, end or cause without a name cannot be added."""
    phrases = catalogue(FOLDER, Language.ZH).phrases

    assert words == {key.split(".")[1] for key in phrases if key.startswith(f"{section}.")}


@pytest.mark.parametrize(
    ("by", "group", "zh", "en"),
    [
        ("none", None, "合计", "Total"),
        ("city", "430100", "长沙市", "Changsha"),
        ("city", "440700", "440700", "440700"),
        ("office", "14301000000", "长沙市税务局", "Office"),
        ("office", "14302000000", "14302000000", "14302000000"),
        ("category", "IV", "四类", "Category IV"),
        ("rebate_type", "exempt_credit_refund", "免抵退税", "Exemption, credit and refund"),
        ("month", "2026-01", "2026年1月", "January 2026"),
    ],
)
def test_names_of_groups(by: str, group: str | None, zh: str, en: str) -> None:
    """Groups have names; a place without one is called by its code."""
    assert (zh, en) == tuple(group_name(PLACES, by, group, language) for language in Language)
