"""Cut what is shaped as a JSON array into its elements, when a JSON parser has refused the whole.

One event may hold what no parser takes (NaN, lone surrogates, 100,000 brackets); it is refused by
itself then, and its neighbours are kept.
"""

import re

from rebate_monitor.ingest.wire import is_json

TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[][{},]', re.DOTALL)
OPENING, CLOSING, COMMA = b"[{", b"]}", b","


def elements(body: bytes) -> list[bytes] | None:
    """Return the elements as they were sent, or None when even the shape is not an array's."""
    array = body.strip()
    if array[:1] != b"[" or array[-1:] != b"]":
        return None
    found, depth, start = [], 0, 1
    for token in TOKEN.finditer(array):
        mark = array[token.start() : token.start() + 1]
        if mark in OPENING:
            depth += 1
        elif mark in CLOSING:
            depth -= 1
            if depth == 0 and token.end() != len(array):
                return None
        elif mark == COMMA and depth == 1:
            found.append(array[start : token.start()].strip())
            start = token.end()
    found.append(array[start:-1].strip())
    return found if depth == 0 and all(found) and any(map(_is_shaped, found)) else None


def _is_shaped(element: bytes) -> bool:
    """Say whether an element is a whole value: in brackets, or plain JSON."""
    bracketed = element[:1] in OPENING and element[-1:] in CLOSING
    return bracketed or is_json(element)
