"""English twins: made from the Chinese dashboards and `english.toml`, so that they cannot drift.

`english.toml` has a table `common` for all dashboards and one for each dashboard, named as its
file; each line is a Chinese text exactly as it stands in the dashboard, and its English. A text of
several lines is looked up line by line, a query quoted piece by quoted piece, the options of a
variable one by one.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grafana.panels.files import Json, read_json

__all__ = ["CHINESE", "TwinError", "Words", "twin", "twins"]

CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
WORDS, COMMON = "english.toml", "common"
QUERIES = {"expr", "rawSql", "query", "definition"}
QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
OPTION = re.compile(r"(?P<text>[^,:]+?)(?P<value>\s+:\s+[^,]+)?(?P<end>,\s*|$)")

OWN_NAMES = {"English": "中文"}  # a link to the other language is named in that language
NAME = re.compile(r"\b(\w+)_zh\b", re.ASCII)
PLAIN = (
    (NAME, r"\1_en"),
    (re.compile(r"\blang=zh\b"), "lang=en"),
    (re.compile(r"\brebate-monitor-zh\b"), "rebate-monitor-en"),
)
ADDRESS = re.compile(r"/d/(rebate-[a-z-]+?)(-en)?(?=[/?#]|$)")


class TwinError(Exception):
    """A text has no English, or English has no text to stand for; the message says which."""


@dataclass(kw_only=True)
class Words:
    """The English of one dashboard's texts, and what became of it."""

    file: str
    english: Mapping[str, str]
    used: set[str] = field(default_factory=set)
    missing: dict[str, None] = field(default_factory=dict)

    def of(self, text: str) -> str:
        """Return a text in English; one without Chinese stays as it is."""
        return "\n".join(map(self._line, text.split("\n")))

    def _line(self, line: str) -> str:
        if not CHINESE.search(line):
            return line
        self.used.add(line)
        if line not in self.english:
            self.missing[line] = None
        return self.english.get(line, "")


def twins(folder: Path) -> dict[Path, Json]:
    """Return the English dashboards by their paths; raise TwinError."""
    table = tomllib.loads((folder / WORDS).read_text(encoding="utf-8"))
    sources = sorted((folder / "zh").glob("*.json"))
    words = {path: _words(table, path) for path in sources}
    made = {folder / "en" / path.name: twin(read_json(path), words[path]) for path in sources}
    _check(table, list(words.values()), made)
    return made


def _words(table: Mapping[str, Mapping[str, str]], path: Path) -> Words:
    return Words(file=path.name, english={**table.get(COMMON, {}), **table.get(path.stem, {})})


def twin(source: Json, words: Words) -> Json:
    """Return the English twin of a Chinese dashboard."""
    made: Json = _value(source, words)
    return {**made, "uid": f"{source['uid']}-en"}


def _value(value: Any, words: Words, key: str = "") -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {_plain(words.of(k)): _value(v, words, k) for k, v in _prepared(value, words)}
    if isinstance(value, list):
        return [_value(each, words, key) for each in value]
    return _text(value, words, key) if isinstance(value, str) else value


def _prepared(value: Json, words: Words) -> Iterator[tuple[str, Any]]:
    """Return a dictionary's pairs, those put right that other pairs of it give a meaning."""
    for key, each in value.items():
        if key == "query" and value.get("type") == "custom":
            yield key, _options(each, words)
        elif key == "title" and value.get("type") == "link":
            yield key, OWN_NAMES.get(each, each)
        else:
            yield key, each


def _options(query: str, words: Words) -> str:
    """Return the options of a variable, `text : value` each and commas between."""
    return OPTION.sub(
        lambda found: words.of(found["text"]) + (found["value"] or "") + found["end"], query
    )


def _text(text: str, words: Words, key: str) -> str:
    if text in OWN_NAMES.values():
        return text
    if key in QUERIES:
        return _plain(QUOTED.sub(lambda found: _piece(found[0], words), text))
    return _plain(words.of(text))


def _piece(quoted: str, words: Words) -> str:
    quote, text = quoted[0], quoted[1:-1]
    return quote + words.of(text).replace(quote, quote * 2) + quote


def _plain(text: str) -> str:
    """Put right what needs no translation: names of columns and labels, tags, addresses."""
    for pattern, english in PLAIN:
        text = pattern.sub(english, text)
    return ADDRESS.sub(lambda found: f"/d/{found[1]}" + ("" if found[2] else "-en"), text)


def _check(
    table: Mapping[str, Mapping[str, str]], words: Iterable[Words], made: Mapping[Path, Json]
) -> None:
    problems = [*_missing(words), *_unused(table, words), *_left(made)]
    if problems:
        raise TwinError("\n".join(problems))


def _missing(words: Iterable[Words]) -> Iterator[str]:
    for each in words:
        for text in each.missing:
            yield f"{each.file}: no English in {WORDS} for {json.dumps(text, ensure_ascii=False)}"


def _unused(table: Mapping[str, Mapping[str, str]], words: Iterable[Words]) -> Iterator[str]:
    used = {Path(each.file).stem: each.used for each in words}
    for name, entries in table.items():
        known = set().union(*used.values()) if name == COMMON else used.get(name, set())
        for text in sorted(set(entries) - known):
            yield f"{WORDS} [{name}]: nothing says {json.dumps(text, ensure_ascii=False)}"


def _left(made: Mapping[Path, Json]) -> Iterator[str]:
    for path, content in made.items():
        for text in strings(content):
            if CHINESE.search(text) and text not in OWN_NAMES.values():
                yield f"{path.parent.name}/{path.name}: still Chinese: {text}"


def strings(value: object) -> Iterator[str]:
    """Return every text of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
