"""The facts that a producer tells about a case (DESIGN 4), as the fold reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """What an event says; the names are those of CloudEvents `type`."""

    ACCEPTED = "rebate.case.accepted"
    CORRECTED = "rebate.case.corrected"
    SUSPENDED = "rebate.case.suspended"
    RESUMED = "rebate.case.resumed"
    REVIEWED = "rebate.case.reviewed"
    APPROVED = "rebate.case.approved"
    VOUCHER_ISSUED = "rebate.case.voucher_issued"
    PAID = "rebate.case.paid"
    REJECTED = "rebate.case.rejected"
    WITHDRAWN = "rebate.case.withdrawn"
    RETRACTED = "rebate.event.retracted"


KIND_RANK: Mapping[EventType, int] = {kind: rank for rank, kind in enumerate(EventType)}
"""Which event comes first at one instant (DESIGN 3.6); the order of the names above."""


class Category(StrEnum):
    """The management category of an enterprise."""

    I = "I"  # noqa: E741 - the law's own numeral
    II = "II"
    III = "III"
    IV = "IV"


class SuspensionReason(StrEnum):
    """Why a case is suspended."""

    SUPPLEMENT = "supplement"
    VERIFICATION = "verification"
    CORRESPONDENCE = "correspondence"
    ONSITE = "onsite"
    HOLD = "hold"
    OTHER = "other"


CONFIDENTIAL_REASONS = frozenset({SuspensionReason.CORRESPONDENCE, SuspensionReason.HOLD})
"""Inquiries that whoever is inquired about must not learn of (DOMAIN: 函调, 暂不办理)."""


class RebateType(StrEnum):
    """The rebate method of a declaration."""

    EXEMPT_REFUND = "exempt_refund"
    EXEMPT_CREDIT_REFUND = "exempt_credit_refund"
    AGENCY = "agency"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a case is, as told at acceptance and corrected later.

    `amount_cny` is the sender's decimal text in CNY. `office` is an 11-digit tax authority code.
    """

    office: str
    category: Category | None = None
    rebate_type: RebateType | None = None
    amount_cny: str | None = None
    taxpayer_id: str | None = None
    period: str | None = None
    batch: str | None = None
    whitelisted: bool | None = None
    refiled_from: str | None = None

    @property
    def city(self) -> str:
        """The first-level prefecture: the office's province and prefecture digits (DESIGN 2)."""
        return f"{self.office[1:5]}00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The case was accepted with these attributes."""

    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """Some attributes were other than told; the keys are names of Attributes."""

    changes: Mapping[str, str | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The case was suspended for a reason."""

    reason: SuspensionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The rebate was approved; without a cash refund no voucher will come."""

    cash_refund: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted:
    """One earlier event of the case is as if it had never come."""

    id: str
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A fact that needs no data beside its time."""


EventData = Accepted | Corrected | Suspended | Approved | Retracted | Plain


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One fact about one case, known by (case_id, source, id); `time` carries an offset."""

    case_id: str
    source: str
    id: str
    event_type: EventType
    time: datetime
    data: EventData = field(default_factory=Plain)

    @property
    def identity(self) -> tuple[str, str]:
        """What the event is known by within its case."""
        return (self.source, self.id)

    @property
    def fold_order(self) -> tuple[datetime, int, str, str]:
        """The place of the event in its case (DESIGN 3.6): time, kind rank, source, id."""
        return (self.time, KIND_RANK[self.event_type], self.source, self.id)
