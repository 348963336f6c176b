"""Hold back who tries keys: few wrong ones a minute from one address.

A key that was right here lately goes on, so that nobody shuts others out who come from the same
address. Each process counts for itself.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

WRONG_A_MINUTE, MINUTE = 30, 60.0
MOST_REMEMBERED = 10_000
IPV6_NETWORK_BITS = 64


class Throttle:
    """Counts wrong keys by address, and remembers right ones by digest; both bounded."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def seconds_to_wait(self, address: str, digest: bytes) -> int:
        """Return after how many seconds the address may try this key, 0 for now."""
        wrong = self._wrong.get(_network(address))
        if not wrong or digest in self._right or len(wrong) < WRONG_A_MINUTE:
            return 0
        return max(0, ceil(wrong[0] + MINUTE - self._now()))

    def note_wrong(self, address: str, digest: bytes) -> None:
        """Count a wrong key; one that was right until now is so no longer."""
        self._right.pop(digest, None)
        network = _network(address)
        wrong = self._wrong.setdefault(network, deque(maxlen=WRONG_A_MINUTE))
        wrong.append(self._now())
        self._wrong.move_to_end(network)
        _forget(self._wrong)

    def note_right(self, digest: bytes) -> None:
        """Remember a right key."""
        self._right[digest] = None
        self._right.move_to_end(digest)
        _forget(self._right)


def _forget(remembered: "OrderedDict[str, deque[float]] | OrderedDict[bytes, None]") -> None:
    while len(remembered) > MOST_REMEMBERED:
        remembered.popitem(last=False)


def _network(address: str) -> str:
    """Return what one sender can choose freely: of IPv6 the lower half."""
    try:
        told = ip_address(address)
    except ValueError:
        return address
    if isinstance(told, IPv6Address):
        return str(ip_network((told, IPV6_NETWORK_BITS), strict=False))
    return address
