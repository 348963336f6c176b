"""The English twin of a dashboard, and what keeps it from drifting."""

import json
from pathlib import Path
from typing import Any

import pytest

from grafana.panels.english import TwinError, Words, twin, twins
from grafana.panels.json_text import json_text

WORDS = {
    "今日看板": "Today",
    "市州": "City",
    "全部": "All",
    "一类": "Category I",
    "超时": "breached",
    "其他": "other's",
    "平均 {{name_zh}}": "Mean {{name_zh}}",
    "一行": "one line",
    "# 二行": "# two lines",
    "其他看板": "The others",
}


def made(**content: object) -> Any:  # noqa: ANN401 - any JSON
    """Return the twin of a dashboard with some content."""
    words = Words(file="today.json", english=WORDS)
    found = twin({"uid": "rebate-today", **content}, words)
    assert not words.missing
    return found


def test_texts_keys_and_options_are_translated() -> None:
    """Wherever a Chinese text stands, values of mappings and names of fields included."""
    found = made(
        title="今日看板",
        templating={"list": [{"type": "custom", "query": "全部 : all,一类 : I"}]},
        options={"renameByName": {"city": "市州"}, "excludeByName": {"市州": True}},
        mappings=[{"type": "value", "options": {"breached": {"text": "超时", "index": 0}}}],
    )

    assert "Today" == found["title"]
    assert "All : all,Category I : I" == found["templating"]["list"][0]["query"]
    assert {"renameByName": {"city": "City"}, "excludeByName": {"City": True}} == found["options"]
    assert {"text": "breached", "index": 0} == found["mappings"][0]["options"]["breached"]


def test_a_query_is_translated_in_its_quotes_only() -> None:
    """Names and literals are quoted; an apostrophe in the English of a literal is doubled."""
    found = made(
        rawSql="SELECT name_zh AS \"市州\", '其他' AS x FROM reporting.city",
        expr='label_replace(max by (city, name_zh) (rebate_city_info), "verdict", "超时", "", "")',
    )

    assert "SELECT name_en AS \"City\", 'other''s' AS x FROM reporting.city" == found["rawSql"]
    assert (
        'label_replace(max by (city, name_en) (rebate_city_info), "verdict", "breached", "", "")'
        == found["expr"]
    )


def test_names_become_english_in_legends() -> None:
    """The Chinese name's label becomes the English one, whatever stands beside it."""
    assert "Mean {{name_en}}" == made(legendFormat="平均 {{name_zh}}")["legendFormat"]
    assert "{{city_name_en}}" == made(legendFormat="{{city_name_zh}}")["legendFormat"]


def test_a_text_of_several_lines_is_translated_line_by_line() -> None:
    """What has no Chinese stays: numbers, rules, empty lines."""
    assert "one line\n\n---\n# two lines" == made(content="一行\n\n---\n# 二行")["content"]


def test_identity_and_addresses_lead_to_the_english_set() -> None:
    """Uid, tags, links to dashboards, the language of an explanation; and the way back."""
    found = made(
        tags=["rebate-monitor-zh"],
        links=[
            {"type": "dashboards", "title": "其他看板", "tags": ["rebate-monitor-zh"]},
            {"type": "link", "title": "English", "url": "/d/rebate-today-en"},
        ],
        url="/d/rebate-cases?${__all_variables}",
        explanation="${service}/v1/cases/x/explanation?lang=zh",
    )

    assert "rebate-today-en" == found["uid"]
    assert ["rebate-monitor-en"] == found["tags"]
    assert {"type": "dashboards", "title": "The others", "tags": ["rebate-monitor-en"]} == (
        found["links"][0]
    )
    assert {"type": "link", "title": "中文", "url": "/d/rebate-today"} == found["links"][1]
    assert "/d/rebate-cases-en?${__all_variables}" == found["url"]
    assert "${service}/v1/cases/x/explanation?lang=en" == found["explanation"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one Chinese dashboard and its words."""
    (tmp_path / "zh").mkdir()
    source = {"uid": "rebate-today", "title": "今日看板", "description": "市州"}
    (tmp_path / "zh" / "today.json").write_text(json.dumps(source), encoding="utf-8")
    write_words(tmp_path, '[common]\n"市州" = "City"\n[today]\n"今日看板" = "Today"\n')
    return tmp_path


def write_words(folder: Path, text: str) -> None:
    """Write the words of a folder."""
    (folder / "english.toml").write_text(text, encoding="utf-8")


def test_words_are_common_or_of_one_dashboard(folder: Path) -> None:
    """A dashboard's own word comes before a common one."""
    write_words(folder, '[common]\n"市州" = "City"\n"今日看板" = "A"\n[today]\n"今日看板" = "B"\n')
    (folder / "zh" / "cases.json").write_text('{"uid": "rebate-cases", "title": "今日看板"}')
    found = twins(folder)

    assert "B" == found[folder / "en" / "today.json"]["title"]
    assert "A" == found[folder / "en" / "cases.json"]["title"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('[common]\n"市州" = "City"\n', 'today.json: no English in english.toml for "今日看板"'),
        (
            '[common]\n"市州" = "City"\n"县" = "County"\n[today]\n"今日看板" = "Today"\n',
            'english.toml [common]: nothing says "县"',
        ),
        (
            '[common]\n"市州" = "City"\n"今日看板" = "Today"\n[cases]\n"市州" = "City"\n',
            'english.toml [cases]: nothing says "市州"',
        ),
        (
            '[common]\n"市州" = "市州"\n"今日看板" = "Today"\n',
            "en/today.json: still Chinese: 市州",
        ),
    ],
)
def test_what_does_not_fit_is_an_error(folder: Path, words: str, told: str) -> None:
    """A word that is missing, one of no use, or Chinese that is left: each with its place."""
    write_words(folder, words)

    with pytest.raises(TwinError) as error:
        twins(folder)
    assert told == str(error.value)


def test_chinese_outside_of_quotes_in_a_query_is_an_error(folder: Path) -> None:
    """A comment would stay Chinese in the English dashboard."""
    source = {"uid": "rebate-today", "title": "今日看板", "rawSql": "SELECT 1 -- 市州"}
    (folder / "zh" / "today.json").write_text(json.dumps(source), encoding="utf-8")
    write_words(folder, '[common]\n"今日看板" = "Today"\n')

    with pytest.raises(TwinError, match="still Chinese: SELECT 1 -- 市州"):
        twins(folder)


def test_the_form_of_the_files_is_short_and_readable() -> None:
    """What fits stands on one line, but a panel never does; characters are not escaped."""
    content = {
        "title": "今日",
        "panels": [{"id": 1, "gridPos": {"x": 0, "y": 0, "w": 6, "h": 5}}],
        "long": ["a" * 60, "b" * 60],
        "empty": {},
    }
    text = json_text(content)
    expected = [
        "{",
        '  "title": "今日",',
        '  "panels": [',
        "    {",
        '      "id": 1,',
        '      "gridPos": {"x": 0, "y": 0, "w": 6, "h": 5}',
        "    }",
        "  ],",
        '  "long": [',
        f'    "{"a" * 60}",',
        f'    "{"b" * 60}"',
        "  ],",
        '  "empty": {}',
        "}",
    ]

    assert content == json.loads(text)
    assert expected == text.splitlines()
