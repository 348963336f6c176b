"""Turn the rules of a service under test, and lay its cases down anew."""

from dataclasses import replace

from rebate_monitor.api.service import Service
from rebate_monitor.domain.known_then import BroughtBy
from rebate_monitor.domain.rulebook import Rulebook
from rebate_monitor.ingest.recompute import Recomputer
from rebate_monitor.ingest.rule_changes import RuleChange, draft, publish_draft
from rebate_monitor.storage.audit import Deed, Through
from rebate_monitor.storage.recomputes import Recompute
from rebate_monitor.storage.rulebooks import ALWAYS, Published, Version, publish

WANG = Deed(at=ALWAYS, who="wang", through=Through.COMMAND)
IMPORT = BroughtBy(because="import", by="王小明")


def recomputer(service: Service) -> Recomputer:
    """Return what the service lays cases down anew with."""
    return Recomputer(database=service.database, rules=service.rules, clock=service.now)


async def turn(service: Service, rulebook: Rulebook, brought: BroughtBy = IMPORT) -> Published:
    """Publish other rules, as an import does; every part of them stands from then on."""

    def turned(before: Version | None) -> Version:
        version = before or Version(rulebook=rulebook)
        return replace(
            version,
            rulebook=rulebook,
            imported_years=frozenset(rulebook.calendar.notices),
            applied_policies=frozenset(policy.id for policy in rulebook.policies.policies),
        )

    async with service.database.transaction() as connection:
        published = await publish(connection, turned, brought, service.now())
        await service.rules.in_force(connection)
    assert published is not None, "these rules are in force already"
    return published


async def bring(service: Service, change: RuleChange) -> Published | None:
    """Publish what somebody asks for; None where it changes nothing."""
    async with service.database.connection() as connection:
        told = await draft(connection, service.rules.own, lambda _before: change)
    return await publish_draft(service.database, told, service.now, WANG)


async def turn_and_recompute(service: Service, rulebook: Rulebook) -> Recompute:
    """Publish other rules and lay every case down by them."""
    return await drain(recomputer(service), (await turn(service, rulebook)).recompute)


async def recompute_all(service: Service) -> Recompute:
    """Lay every case down anew by the rules in force."""
    told = recomputer(service)
    return await drain(told, (await told.begin()).number)


async def drain(told: Recomputer, number: int) -> Recompute:
    """Do what is under way to its end; return the recompute that was asked for."""
    while (await told.turn()).recompute is not None:
        pass
    done = await told.progress(number)
    assert done is not None
    return done
