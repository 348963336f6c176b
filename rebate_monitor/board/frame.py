"""What every page has around it: who looks, in which language, and where else to go."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from rebate_monitor.api.access import ANONYMOUS, SAFE_METHODS
from rebate_monitor.api.service import SERVICE
from rebate_monitor.api.session import secret_of
from rebate_monitor.board.address import case_link
from rebate_monitor.board.assets import address
from rebate_monitor.board.language import language_of
from rebate_monitor.board.words import Words
from rebate_monitor.catalogue import Language
from rebate_monitor.storage.keys import Principal

HTML_LANGUAGES = {Language.ZH: "zh-CN", Language.EN: "en"}
FROM_HERE_ALONE = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": FROM_HERE_ALONE,
    "Vary": "Cookie, Accept-Language",
    # By `no-referrer` a browser without TLS would send our own forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
}

OF_ALL_OFFICES = ("/", "/performance", "/what-if")
PLACES_TO_GO = ("/", "/cases", "/alerts", "/performance", "/calendar", "/what-if")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a page: who looks, `principal`, None before anybody is known, and how."""

    request: web.Request
    words: Words
    principal: Principal | None

    @property
    def html_language(self) -> str:
        """The language as HTML names it."""
        return HTML_LANGUAGES[self.words.language]

    @property
    def other_language(self) -> Language:
        """The language that the page is not in."""
        return Language.EN if self.words.language is Language.ZH else Language.ZH

    @property
    def path(self) -> str:
        """The path to come back to."""
        return self.here.partition("?")[0]

    @property
    def section(self) -> str:
        """The page under which this one lies."""
        return "/" + self.request.path.lstrip("/").partition("/")[0]

    @property
    def whole(self) -> str:
        """The address of the page with its parameters."""
        return str(self.request.rel_url)

    @property
    def here(self) -> str:
        """The address to come back to: this one or, of a form, the page that it stands on."""
        if self.request.method in SAFE_METHODS:
            return self.whole
        return self.section if self.section in PLACES_TO_GO else "/"

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody has signed in with a key, and so can sign out."""
        return secret_of(self.request) is not None and self.is_known

    @property
    def is_known(self) -> bool:
        """Whether somebody is known by a key or through a proxy."""
        return self.principal is not None and self.principal is not ANONYMOUS

    @property
    def places_to_go(self) -> list[str]:
        """The pages that whoever looks may see."""
        if self.principal is None:
            return []
        bound = bool(self.principal.bounds.offices)
        return [path for path in PLACES_TO_GO if not (bound and path in OF_ALL_OFFICES)]

    def address_with(self, **changed: object) -> str:
        """Return the address of this page with other parameters; None takes one away."""
        query = {**self.request.query, **changed}
        told = urlencode({name: value for name, value in query.items() if value is not None})
        return f"{self.path}?{told}" if told else self.path


def visit(request: web.Request, principal: Principal | None = None) -> Visit:
    """Return the visit of a request."""
    service = request.app[SERVICE]
    words = Words(language=language_of(request), places=service.places, now=service.now())
    return Visit(request=request, words=words, principal=principal)


def page(
    visit: Visit, template: str, values: Mapping[str, object], status: int = 200
) -> web.Response:
    """Lay a page out from its template."""
    words = visit.words
    text = (
        _environment()
        .get_template(template)
        .render(
            visit=visit, words=words, say=words.say, asset=address, case_link=case_link, **values
        )
    )
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers=HEADERS,
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("rebate_monitor.board", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
