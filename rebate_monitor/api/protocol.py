"""What is no request that can be read: answered plainly, and told without a word of what was sent.

aiohttp answers it before any middleware, repeats the line that it could not read, and logs it: that
may be a path that names a case, or a header that holds a key.
"""

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from rebate_monitor.api.headers import add_headers
from rebate_monitor.api.problems import UnreadableProblem, problem_response

TOO_LONG = "a line of the request is longer than 8190 bytes, the most one may have"
NOT_HTTP = "this is no request of HTTP/1.1 (RFC 9112)"
FAULT = 500

log = structlog.get_logger()


class _Protocol(RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = FAULT,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= FAULT or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        log.info("request.unreadable", problem=type(exc).__name__)
        problem = UnreadableProblem(TOO_LONG if isinstance(exc, LineTooLong) else NOT_HTTP)
        response = problem_response(problem)
        add_headers(response, is_secure=request.secure)
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application; what cannot be read as a request is answered as a problem, too."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        kept = made._kwargs  # noqa: SLF001 - there is no other way to another protocol
        return _Server(made.request_handler, request_factory=made.request_factory, **kept)
