"""One form for the JSON of all dashboards: what is short stands on one line, for people to read."""

import json

__all__ = ["json_text"]

WIDTH = 110
INDENT = "  "


def json_text(content: object) -> str:
    """Return JSON with two spaces of indent and characters as they are."""
    return _text(content, 0, 0) + "\n"


def _text(value: object, depth: int, before: int) -> str:
    """Return a value; `before` characters stand on its line already, its indent included."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or _fits(line, depth, before):
        return line
    if isinstance(value, dict):
        items = [
            _item(f"{json.dumps(k, ensure_ascii=False)}: ", v, depth) for k, v in value.items()
        ]
        return _block("{", items, "}", depth)
    return _block("[", [_item("", each, depth) for each in value], "]", depth)


def _fits(line: str, depth: int, before: int) -> bool:
    """Tell whether it goes on one line; what is or holds a panel never does."""
    return depth > 0 and '"gridPos"' not in line and before + len(line) < WIDTH


def _item(key: str, value: object, depth: int) -> str:
    return key + _text(value, depth + 1, len(INDENT) * (depth + 1) + len(key))


def _block(opening: str, items: list[str], closing: str, depth: int) -> str:
    inner = INDENT * (depth + 1)
    return f"{opening}\n{inner}" + f",\n{inner}".join(items) + f"\n{INDENT * depth}{closing}"
