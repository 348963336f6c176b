"""What the API answers, as types: the JSON and the OpenAPI document are both made from them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec

from rebate_monitor.catalogue import Language
from rebate_monitor.domain.alert import AlertKind, Resolution
from rebate_monitor.domain.assessment import Assessment, Stage, judge
from rebate_monitor.domain.assessment import Verdict as VerdictName
from rebate_monitor.domain.case import Anomaly, Case, Status, Suspension
from rebate_monitor.domain.event import (
    CONFIDENTIAL_REASONS,
    CaseEvent,
    Category,
    RebateType,
    SuspensionReason,
)
from rebate_monitor.domain.explanation import Because
from rebate_monitor.domain.known_then import Belief, History, KnownRules, RulesPart
from rebate_monitor.domain.local_time import SHANGHAI
from rebate_monitor.domain.policy import AppliedPolicy
from rebate_monitor.domain.rule_turns import RulesTurn, turn_numbered
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.explaining.explain import Explanation
from rebate_monitor.ingest.decision import Outcome
from rebate_monitor.ingest.writer import Report
from rebate_monitor.storage.audit import Action, Through
from rebate_monitor.storage.rulebooks import ALWAYS


class AttributesView(msgspec.Struct, kw_only=True):
    """What the case is; `taxpayer_id` only for keys with the scope `sensitive:read`."""

    category: Category | None = None
    office: str | None = None
    city: str | None = None
    rebate_type: RebateType | None = None
    amount_cny: str | None = None
    period: str | None = None
    batch: str | None = None
    whitelisted: bool | None = None
    refiled_from: str | None = None
    taxpayer_id: str | msgspec.UnsetType | None = msgspec.UNSET


class PolicyView(msgspec.Struct, kw_only=True):
    """The policy that judges the case; all null where none does."""

    id: str | None = None
    limit_workdays: int | None = None
    lapsed: bool = False


class StageView(msgspec.Struct, kw_only=True):
    """Running workdays between two milestones, named after the one that ends it."""

    case_stage: str
    workdays: int


class SuspensionView(msgspec.Struct, kw_only=True):
    """A suspension; `to` is null while it lasts.

    The reasons `correspondence` and `hold` are null without the scope `sensitive:read`.
    """

    reason: SuspensionReason | None
    from_: datetime = msgspec.field(name="from")
    to: datetime | None


class CaseSummaryView(msgspec.Struct, kw_only=True):
    """A case as lists show it; counts are workdays, instants are in +08:00."""

    case_id: str
    status: Status
    verdict: VerdictName
    normal: bool
    provisional: bool
    attributes: AttributesView
    policy: PolicyView
    accepted_at: datetime | None
    stopped_at: datetime | None
    workdays: int | None
    gross_workdays: int | None
    paused_workdays: int | None
    due_date: date | None
    at_risk_at: datetime | None
    breach_at: datetime | None
    anomalies: list[Anomaly]
    events: int


class CaseView(CaseSummaryView, kw_only=True):
    """A case in full."""

    stages: list[StageView]
    suspensions: list[SuspensionView]


class CasesView(msgspec.Struct, kw_only=True):
    """A page of cases, most urgent first; `next` asks for the page after it."""

    cases: list[CaseSummaryView]
    next: str | None


class ExplainedDayView(msgspec.Struct, kw_only=True):
    """One calendar day: whether it was counted, why, and the workdays up to its end."""

    date: date
    counted: bool
    because: Because
    name: str | None
    running_total: int


class RuleView(msgspec.Struct, kw_only=True):
    """A rule that was applied, by its name and in words."""

    rule: str
    text: str


class NoticeView(msgspec.Struct, kw_only=True):
    """A day off or make-up workday of the case, with the notice that says so."""

    date: date
    name: str
    notice: str | None


class CitedPolicyView(msgspec.Struct, kw_only=True):
    """The policy that judges the case, and the words that it is cited by."""

    id: str
    title: str
    citation: str
    effective_from: date
    effective_to: date | None
    lapsed: bool


class ExplanationView(msgspec.Struct, kw_only=True):
    """A case's count taken apart, from acceptance to the stop or to now; counts are workdays."""

    case_id: str
    lang: Language
    status: Status
    verdict: VerdictName
    provisional: bool
    workdays: int | None
    gross_workdays: int | None
    paused_workdays: int | None
    limit_workdays: int | None
    due_date: date | None
    days: list[ExplainedDayView]
    rules: list[RuleView]
    notices: list[NoticeView]
    policy: CitedPolicyView | None


class ArrivedView(msgspec.Struct, kw_only=True):
    """An event that changed what was believed."""

    source: str
    id: str
    type: str
    time: datetime


class BroughtPolicyView(msgspec.Struct, kw_only=True):
    """A version of a policy, from 1 on; `policy_version` is null where it was withdrawn."""

    id: str
    version: int
    policy_version: str | None


class BroughtYearView(msgspec.Struct, kw_only=True):
    """A version of a year of the calendar, from 1 on, with the notice that it goes by."""

    year: int
    version: int
    notice: str | None
    provisional: bool


class BroughtView(msgspec.Struct, kw_only=True):
    """A version of all rules: its number, who brought it, how, and all that it changed."""

    rules: int
    known_since: datetime | None
    how: str
    by: str | None
    policies: list[BroughtPolicyView]
    years: list[BroughtYearView]


class BeliefView(msgspec.Struct, kw_only=True):
    """What was believed of a case from `known_at` on, by which rules, and what made it so.

    `because` is `event` (then `events` arrived at that moment), `policy` or `calendar` (then
    `version` came into use, `brought` with a version of all rules), or `time`. `workdays` is null
    while the clock runs.
    """

    known_at: datetime
    verdict: VerdictName
    status: Status
    normal: bool
    workdays: int | None
    because: Literal["event", "policy", "calendar", "time"]
    events: list[ArrivedView]
    version: str | None
    brought: BroughtView | None
    policy_version: str | None
    calendar_version: str
    rules: int


class HistoryView(msgspec.Struct, kw_only=True):
    """How the belief about a case changed, the first belief that is told first.

    `omitted` moments of new knowledge, of a case with very many, lie before it.
    """

    case_id: str
    changes: list[BeliefView]
    omitted: int


class ResultView(msgspec.Struct, kw_only=True):
    """An event that was not accepted, by its place in the request."""

    index: int
    id: str | None
    status: Outcome
    detail: str


class ReportView(msgspec.Struct, kw_only=True):
    """What became of the events of a request."""

    accepted: int
    duplicate: int
    rejected: int
    results: list[ResultView]
    results_omitted: int | msgspec.UnsetType = msgspec.UNSET


class PerformanceGroupView(msgspec.Struct, kw_only=True):
    """Figures of one group and scope: means are workdays, rates 0 to 1, null where n is 0."""

    group: str | None
    scope: str
    n: int
    mean_workdays: float | None
    median: float | None
    p90: float | None
    in_time_rate: float | None
    same_day_rate: float | None
    amount_weighted_mean: float | None
    target_workdays: float | None
    meets_target: bool | None
    open_n: int
    open_mean_workdays: float | None
    mean_if_open_stopped_now: float | None
    excluded: int
    rejected: int
    withdrawn: int


class PerformanceView(msgspec.Struct, kw_only=True):
    """Performance of a period, both days included; open cases are as of now."""

    from_: date = msgspec.field(name="from")
    to: date
    by: str
    groups: list[PerformanceGroupView]


class CauseView(msgspec.Struct, kw_only=True):
    """What made something so: an event by its name, a version of a policy or calendar, or time.

    `brought` is the version of all rules that a policy or calendar came with.
    """

    because: Literal["time", "event", "policy", "calendar"]
    source: str | None = None
    id: str | None = None
    event_type: str | None = None
    version: str | None = None
    brought: BroughtView | None = None


class AlertView(msgspec.Struct, kw_only=True):
    """One transition of a case: level 0 is at risk, 1 breached, each overdue step one more.

    `at` is when the level was reached, `raised_at` when that was noticed. `silent` alerts are told
    to nobody; `told` lists the channels that were told of the others.
    """

    id: str
    case_id: str
    kind: AlertKind
    level: int
    policy_version: str
    occurrence: int
    city: str | None
    office: str | None
    category: Category | None
    whitelisted: bool | None
    limit_workdays: int | None
    due_date: date | None
    at: datetime
    cause: CauseView
    silent: bool
    told: list[str]
    raised_at: datetime
    resolved_at: datetime | None
    resolution: Resolution | None
    resolved_cause: CauseView | None
    undone_by: str | None
    acknowledged: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_key: str | None
    note: str | None


class AlertsView(msgspec.Struct, kw_only=True):
    """A page of alerts, the latest first."""

    alerts: list[AlertView]
    next: str | None


class SupervisedOfficeView(msgspec.Struct, kw_only=True):
    """An office with open alerts: each case counts once, by its highest level.

    `acknowledged` counts the cases over their limit that somebody has taken on, `age_workdays` the
    workdays since the oldest breach that is still open, the day of the breach included.
    """

    office: str | None
    name_zh: str | None
    name_en: str | None
    city: str | None
    at_risk: int
    breached: int
    overdue: int
    acknowledged: int
    highest_level: int
    oldest_breach_at: datetime | None
    age_workdays: int | None


class SupervisionView(msgspec.Struct, kw_only=True):
    """Offices with open alerts, the oldest breach first."""

    offices: list[SupervisedOfficeView]


class AcknowledgementTold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Who takes an alert on, the key's name unless told, and what they say of it."""

    who: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class QuarantinedView(msgspec.Struct, kw_only=True):
    """A refused event; `body` is what was sent, null without the scope `sensitive:read`."""

    digest: str
    reason: str
    body: str | None
    case_id: str | None
    source: str | None
    id: str | None
    received_from: str
    times: int
    first_seen_at: datetime
    last_seen_at: datetime


class QuarantineView(msgspec.Struct, kw_only=True):
    """A page of refused events, the latest first."""

    events: list[QuarantinedView]
    next: str | None


class DropTold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which refused events to drop, by their digests, and why."""

    digests: Annotated[
        list[Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]],
        msgspec.Meta(min_length=1, max_length=500),
    ]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class DroppedView(msgspec.Struct, kw_only=True):
    """How many refused events were dropped; those that are not there any more do not count."""

    dropped: int


class AuditRecordView(msgspec.Struct, kw_only=True):
    """One deed; `through` says how `who` is known, `address` where a request came from."""

    at: datetime
    who: str
    through: Through
    action: Action
    object: str
    detail: str
    address: str | None


class AuditView(msgspec.Struct, kw_only=True):
    """A page of the audit record, the latest first."""

    records: list[AuditRecordView]
    next: str | None


class HealthView(msgspec.Struct, kw_only=True):
    """Whether the process lives, and whether it can do its work."""

    status: str
    checks: dict[str, str] = {}


class ProblemView(msgspec.Struct, kw_only=True):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str


def case_view(
    case: Case, rulebook: Rulebook, now: datetime, *, sensitive: bool = False
) -> CaseView:
    """Judge a folded case at a moment and lay it out."""
    assessment = rulebook.assess_case(case)
    summary = _summary(case, assessment, rulebook, now, sensitive=sensitive)
    told = {name: getattr(summary, name) for name in CaseSummaryView.__struct_fields__}
    return CaseView(
        **told,
        stages=[_stage(stage) for stage in assessment.stages],
        suspensions=[_suspension(told, sensitive=sensitive) for told in case.suspensions],
    )


def _suspension(told: Suspension, *, sensitive: bool) -> SuspensionView:
    withheld = told.reason in CONFIDENTIAL_REASONS and not sensitive
    return SuspensionView(
        reason=None if withheld else told.reason,
        from_=local(told.start),
        to=local_or_none(told.end),
    )


def case_summary_view(
    case: Case, rulebook: Rulebook, now: datetime, *, sensitive: bool = False
) -> CaseSummaryView:
    """Judge a folded case at a moment and lay it out for a list."""
    return _summary(case, rulebook.assess_case(case), rulebook, now, sensitive=sensitive)


def _summary(
    case: Case, assessment: Assessment, rulebook: Rulebook, now: datetime, *, sensitive: bool
) -> CaseSummaryView:
    judgement = judge(case, assessment, rulebook.calendar, now)
    return CaseSummaryView(
        case_id=case.case_id,
        status=case.status,
        verdict=judgement.verdict,
        normal=assessment.normal,
        provisional=judgement.provisional,
        attributes=_attributes(case, sensitive=sensitive),
        policy=_policy(case.policy, case),
        accepted_at=local_or_none(case.accepted_at),
        stopped_at=local_or_none(case.ended_at),
        workdays=judgement.workdays,
        gross_workdays=judgement.gross_workdays,
        paused_workdays=judgement.paused_workdays,
        due_date=assessment.due_date,
        at_risk_at=assessment.at_risk_at,
        breach_at=assessment.breach_at,
        anomalies=list(case.anomalies),
        events=case.events,
    )


def history_view(case_id: str, told: History, known: Sequence[KnownRules]) -> HistoryView:
    """Lay the beliefs about a case out, with what each of the known rules has changed."""
    changes = [_belief(belief, known) for belief in told.changes]
    return HistoryView(case_id=case_id, changes=changes, omitted=told.omitted)


def _belief(belief: Belief, known: Sequence[KnownRules]) -> BeliefView:
    turn = turn_numbered(known, belief.rules) if belief.turned else None
    return BeliefView(
        known_at=local(belief.known_at),
        verdict=belief.verdict,
        status=belief.status,
        normal=belief.normal,
        workdays=belief.workdays,
        because=_because(belief),
        events=[_arrived(event) for event in belief.events],
        version=_version(belief),
        brought=brought_view(turn) if turn else None,
        policy_version=belief.policy,
        calendar_version=belief.calendar,
        rules=belief.rules,
    )


def _arrived(event: CaseEvent) -> ArrivedView:
    kind = event.event_type.value
    return ArrivedView(source=event.source, id=event.id, type=kind, time=local(event.time))


def _because(belief: Belief) -> Literal["event", "policy", "calendar", "time"]:
    if belief.events:
        return "event"
    if not belief.turned:
        return "time"
    return "policy" if belief.turned[0] is RulesPart.POLICY else "calendar"


def _version(belief: Belief) -> str | None:
    """Return the version of what turned first."""
    if not belief.turned:
        return None
    return belief.policy if belief.turned[0] is RulesPart.POLICY else belief.calendar


def brought_view(turn: RulesTurn) -> BroughtView:
    """Lay out what a version of the rules changed."""
    return BroughtView(
        rules=turn.number,
        known_since=known_since_view(turn.known_since),
        how=turn.brought.because,
        by=turn.brought.by or None,
        policies=[
            BroughtPolicyView(
                id=id_,
                version=version.number,
                policy_version=version.part.version if version.part else None,
            )
            for id_, version in turn.policies.items()
        ],
        years=[
            BroughtYearView(
                year=year,
                version=version.number,
                notice=version.part.notice if version.part else None,
                provisional=version.part is not None and version.part.provisional,
            )
            for year, version in turn.years.items()
        ],
    )


def known_since_view(since: datetime) -> datetime | None:
    """Write since when rules are known; null for those that are taken to have been always."""
    return None if since <= ALWAYS else local(since)


def explanation_view(told: Explanation) -> ExplanationView:
    """Lay an explanation out."""
    judged, assessed = told.judgement, told.assessment
    return ExplanationView(
        case_id=told.case.case_id,
        lang=told.language,
        status=told.case.status,
        verdict=judged.verdict,
        provisional=judged.provisional,
        workdays=judged.workdays,
        gross_workdays=judged.gross_workdays,
        paused_workdays=judged.paused_workdays,
        limit_workdays=assessed.limit_workdays,
        due_date=assessed.due_date,
        days=[
            ExplainedDayView(
                date=day.date,
                counted=day.counted,
                because=day.because,
                name=told.name(day),
                running_total=day.running_total,
            )
            for day in told.days
        ],
        rules=[RuleView(rule=sentence.rule, text=sentence.text) for sentence in told.rules],
        notices=[
            NoticeView(date=day.date, name=told.holiday(day.name) or "", notice=day.notice)
            for day in told.days
            if day.name is not None
        ],
        policy=_cited(told),
    )


def _cited(told: Explanation) -> CitedPolicyView | None:
    policy, cited = told.case.policy.policy, told.cited
    if policy is None or cited is None:
        return None
    title, citation = cited
    return CitedPolicyView(
        id=policy.id,
        title=title,
        citation=citation,
        effective_from=policy.effective_from,
        effective_to=policy.effective_to,
        lapsed=told.case.policy.lapsed,
    )


def _attributes(case: Case, *, sensitive: bool) -> AttributesView:
    told = case.attributes
    if told is None:
        return AttributesView()
    view = AttributesView(
        category=told.category,
        office=told.office,
        city=told.city,
        rebate_type=told.rebate_type,
        amount_cny=told.amount_cny,
        period=told.period,
        batch=told.batch,
        whitelisted=told.whitelisted,
        refiled_from=told.refiled_from,
    )
    if sensitive:
        view.taxpayer_id = told.taxpayer_id
    return view


def _policy(applied: AppliedPolicy, case: Case) -> PolicyView:
    if applied.policy is None or case.attributes is None:
        return PolicyView()
    limit = applied.limit(case.attributes.category)
    return PolicyView(id=applied.policy.id, limit_workdays=limit, lapsed=applied.lapsed)


def _stage(stage: Stage) -> StageView:
    return StageView(case_stage=stage.case_stage, workdays=stage.workdays)


def local(instant: datetime) -> datetime:
    """Write an instant in +08:00."""
    return instant.astimezone(SHANGHAI)


def local_or_none(instant: datetime | None) -> datetime | None:
    """Write an instant in +08:00, where there is one."""
    return local(instant) if instant else None


def report_view(report: Report) -> ReportView:
    """Lay a report out; a flood of refusals is cut, and says so."""
    view = ReportView(
        accepted=report.accepted,
        duplicate=report.duplicate,
        rejected=report.rejected,
        results=[
            ResultView(index=r.index, id=r.id, status=r.outcome, detail=r.detail)
            for r in report.results
        ],
    )
    if report.results_omitted:
        view.results_omitted = report.results_omitted
    return view


def encode(view: msgspec.Struct) -> bytes:
    """Encode a view as JSON."""
    return _ENCODER.encode(view)


_ENCODER = msgspec.json.Encoder()


def to_builtins(view: msgspec.Struct) -> dict[str, Any]:
    """Turn a view into plain JSON types."""
    built: dict[str, Any] = msgspec.to_builtins(view)
    return built
