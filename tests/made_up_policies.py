"""Random policies: whatever a policy file can say."""

from datetime import date

from hypothesis import strategies as st

from rebate_monitor.domain.event import Category, SuspensionReason
from rebate_monitor.domain.policy import (
    AfterExpiry,
    Counting,
    NonWorkdayStart,
    Policy,
    Rules,
    Scope,
    StartDay,
    StopAt,
    SuspensionEffect,
)

# TOML escapes all control characters but U+0000, which is refused; the last lies beyond the BMP.
AWKWARD = st.sampled_from("\"'\\#=[]{}\n\r\t\b\f\v\x01\x1b\x1f\x7f\x85\u2028\u202e号“”\U00020bb7")
texts = st.text(AWKWARD | st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
workdays = st.integers(1, 366)
workdays_or_none = st.integers(0, 366)
means = st.integers(1, 366) | st.floats(0, 366, exclude_min=True)
ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)

rules = st.builds(
    Rules,
    stop_at=st.sampled_from(StopAt),
    counting=st.builds(
        Counting,
        start_day=st.sampled_from(StartDay),
        non_workday_start=st.sampled_from(NonWorkdayStart),
    ),
    suspensions=st.fixed_dictionaries(
        {reason: st.sampled_from(SuspensionEffect) for reason in SuspensionReason}
    ),
    immediate_within_workdays=workdays_or_none,
)


@st.composite
def made_up_policies(draw: st.DrawFn) -> Policy:
    """Draw a policy that a policy file can say."""
    first = draw(st.dates())
    steps = draw(st.lists(workdays, max_size=5, unique=True).map(sorted))
    return Policy(
        id=draw(ids),
        title=draw(texts.filter(bool)),
        title_en=draw(texts),
        citation=draw(texts),
        citation_en=draw(texts),
        effective_from=first,
        effective_to=draw(st.none() | st.dates(first, date.max)),
        after_expiry=draw(st.sampled_from(AfterExpiry)),
        default_limit=draw(workdays),
        limits=draw(st.dictionaries(st.sampled_from(Category), workdays)),
        targets=draw(st.dictionaries(st.sampled_from(Scope), means)),
        rules=draw(rules),
        warn_workdays_left=draw(workdays_or_none),
        escalate_after_workdays=tuple(steps),
    )
