"""The wire between the service and PostgreSQL's socket: it can be slow, silent, or cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 65_536


@dataclass
class Link:
    """Hands bytes on between its own port and a socket; `delay` seconds late, or not at all."""

    socket: Path
    port: int = 0
    delay: float = 0.0
    is_cut: bool = False
    _passes: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    def be_open(self) -> None:
        """Hand everything on, what was kept back first."""
        self.delay, self.is_cut = 0.0, False
        self._passes.set()

    def be_silent(self) -> None:
        """Take connections and bytes, and hand nothing on."""
        self._passes.clear()

    def cut(self) -> None:
        """Reset every connection there is, and take no other until it is open again."""
        self.is_cut = True
        for end in list(self._ends):
            end.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect whoever has come with PostgreSQL, until either leaves."""
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, server_writer}
        await asyncio.gather(
            self._hand_on(reader, server_writer), self._hand_on(server_reader, writer)
        )

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                await self._passes.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
        self._ends.discard(writer)
        writer.close()


@asynccontextmanager
async def linked(socket: Path) -> AsyncIterator[Link]:
    """Listen on a port for what is to go to a socket."""
    link = Link(socket=socket)
    link.be_open()
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        link.cut()
