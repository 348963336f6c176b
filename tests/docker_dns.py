"""A name server that answers as Docker's does: one address for each container that runs."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from typing import cast

Addresses = dict[str, list[str]]
HEADER, ANSWER = struct.Struct("!6H"), struct.Struct("!3HIH4s")
RESPONSE, NO_SUCH_NAME = 0x8180, 0x8183
TYPE_A, CLASS_IN, NAME_OF_THE_QUESTION = 1, 1, 0xC00C
TTL_SECONDS = 600  # as Docker tells it; HAProxy asks again all the same


class Names(asyncio.DatagramProtocol):
    """Answers with the addresses as they are at the moment of the question."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        self.transport.sendto(self.answer(data), addr)

    def answer(self, asked: bytes) -> bytes:
        """Return the addresses of the name that is asked for, or that there is no such name."""
        end = asked.index(0, HEADER.size) + 5
        question = asked[HEADER.size : end]
        found = [IPv4Address(address).packed for address in self.addresses.get(_name(question), [])]
        identity, flags = HEADER.unpack_from(asked)[0], RESPONSE if found else NO_SUCH_NAME
        records = (
            ANSWER.pack(NAME_OF_THE_QUESTION, TYPE_A, CLASS_IN, TTL_SECONDS, len(address), address)
            for address in found
        )
        return HEADER.pack(identity, flags, 1, len(found), 0, 0) + question + b"".join(records)


def _name(question: bytes) -> str:
    labels, rest = [], question
    while length := rest[0]:
        labels.append(rest[1 : length + 1].decode())
        rest = rest[length + 1 :]
    return ".".join(labels)


@asynccontextmanager
async def name_server(addresses: Addresses) -> AsyncIterator[int]:
    """Answer until the end; yield the port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Names(addresses), local_addr=("127.0.0.1", 0)
    )
    try:
        yield int(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
