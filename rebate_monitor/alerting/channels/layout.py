"""Lay a message out for a chat: its link as a link, and cut between lines where it is too long."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rebate_monitor.alerting.channels.message import Message

CUT = "…"
LONGEST_TITLE = 200


class Layout(NamedTuple):
    """A message with its link apart from its lines; `label` is what the link reads as."""

    title: str
    lines: tuple[str, ...]
    label: str
    link: str | None

    def markdown_link(self) -> tuple[str, ...]:
        """Return the link as a line of Markdown, or nothing."""
        if self.link is None:
            return ()
        target = self.link.replace("(", "%28").replace(")", "%29")
        return (f"[{self.label}]({target})",)


def lay_out(message: Message) -> Layout:
    """Take a message apart; its title becomes one line of bounded length."""
    title = " ".join(message.title.split())[:LONGEST_TITLE]
    if message.link is None:
        return Layout(title, message.lines, "", None)
    link = message.link
    lines = tuple(line for line in message.lines if not line.endswith(link))
    labels = (line.removesuffix(link).rstrip(":： ") for line in message.lines if line not in lines)
    return Layout(title, lines, next(filter(None, labels), link), link)


def fitted(layout: Layout, build: Callable[[Layout], bytes], limit: int) -> bytes:
    """Build a message of at most `limit` bytes: as many whole lines as fit, then a line `…`.

    Title and link always stay. Where not even they fit, that is what is returned.
    """
    built = build(layout)
    for shorter in _shorter(layout):
        if len(built) <= limit:
            break
        built = build(shorter)
    return built


def _shorter(layout: Layout) -> Iterable[Layout]:
    for kept in range(len(layout.lines) - 1, -1, -1):
        yield layout._replace(lines=(*layout.lines[:kept], CUT))
