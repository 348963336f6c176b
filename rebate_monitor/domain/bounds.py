"""What a key is bound to: the sources that it may tell of, the offices whose cases are its own."""

from dataclasses import dataclass

from rebate_monitor.domain.event import Accepted, CaseEvent, Corrected, Retracted
from rebate_monitor.domain.office import subtree_prefix

ANY_END = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A key's bounds; where none of a kind is told, there is none.

    `sources` are CloudEvents sources, whole, or with a `*` at the end for all that begin so.
    `offices` are tax authority codes, each with all offices below it.
    """

    sources: tuple[str, ...] = ()
    offices: tuple[str, ...] = ()

    @property
    def patterns(self) -> list[str] | None:
        """The offices as SQL's LIKE has them, None where there is no bound."""
        return [f"{prefix}%" for prefix in self._prefixes] or None

    def hold_source(self, source: str) -> bool:
        """Say whether events of a source may be told."""
        return not self.sources or any(_is_like(source, told) for told in self.sources)

    def hold_office(self, office: str | None) -> bool:
        """Say whether the cases of an office are the key's own; those of none are nobody's."""
        if not self.offices:
            return True
        return office is not None and office.startswith(self._prefixes)

    def refusal(self, event: CaseEvent, office: str | None) -> str | None:
        """Say why an event may not be told of a case of an office, None where it may.

        What a case's office is, is known from its acceptance on; before, any key may tell of it.
        """
        for name, source in _sources(event):
            if not self.hold_source(source):
                return f"{name}: this key tells of {', '.join(self.sources)}, not of {source}"
        if office is not None and not self.hold_office(office):
            return f"subject: {self._of_offices}, and this is another's"
        named = _office(event)
        if named is not None and not self.hold_office(named):
            return f"data.office: {self._of_offices}, not of {named}"
        return None

    @property
    def _prefixes(self) -> tuple[str, ...]:
        return tuple(map(subtree_prefix, self.offices))

    @property
    def _of_offices(self) -> str:
        return f"this key tells of cases of {', '.join(self.offices)} and the offices below"


UNBOUND = Bounds()
"""Of keys without bounds, and of commands."""


def _is_like(source: str, told: str) -> bool:
    if told.endswith(ANY_END):
        return source.startswith(told[: -len(ANY_END)])
    return source == told


def _sources(event: CaseEvent) -> list[tuple[str, str]]:
    """Return the sources that an event names: its own, and that of the event it takes back."""
    named = [("source", event.source)]
    if isinstance(event.data, Retracted) and event.data.source is not None:
        named.append(("data.source", event.data.source))
    return named


def _office(event: CaseEvent) -> str | None:
    match event.data:
        case Accepted(attributes=attributes):
            return attributes.office
        case Corrected(changes=changes):
            return str(changes["office"]) if changes.get("office") else None
        case _:
            return None
