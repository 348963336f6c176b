"""A rulebook assesses each course once, and remembers a bounded number of them."""

import pytest

from domain_builders import CASE_ID, accepted, day, policies, published_calendar, reviewed
from rebate_monitor.domain import rulebook
from rebate_monitor.domain.rulebook import Rulebook


def test_cases_of_one_course_share_their_assessment() -> None:
    """It is the same object, whatever else the cases were told."""
    rules = Rulebook(policies=policies(), calendar=published_calendar())
    one = rules.assess(CASE_ID, [accepted("2024-03-04T09:00")])[1]
    other = rules.assess("another", [accepted("2024-03-04T17:00", event_id="e-2")])[1]

    assert one is other
    assert day("2024-03-08") == one.due_date


def test_no_more_are_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond is assessed all the same."""
    monkeypatch.setattr(rulebook, "MOST_KEPT", 1)
    rules = Rulebook(policies=policies(), calendar=published_calendar())
    days = ["2024-03-04", "2024-03-05", "2024-03-06"]
    told = [rules.assess(CASE_ID, [accepted(when)])[1] for when in days]

    assert ["2024-03-08", "2024-03-11", "2024-03-12"] == [f"{a.due_date}" for a in told]
    assert rules.assess(CASE_ID, [reviewed("2024-03-04")])[1].due_date is None
