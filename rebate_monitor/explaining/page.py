"""An explanation as a page for people: no script, no outside request, printable."""

from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

from rebate_monitor.catalogue import Language
from rebate_monitor.explaining.explain import FOLDER, Explanation

HTML_LANGUAGES = {Language.ZH: "zh-CN", Language.EN: "en"}


def page(told: Explanation) -> str:
    """Write an explanation as HTML, with a link to the other language."""
    other = Language.EN if told.language is Language.ZH else Language.ZH
    return _template().render(
        told=told,
        say=told.words.say,
        html_language=HTML_LANGUAGES[told.language],
        other=other.value,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    file = resources.files("rebate_monitor") / FOLDER / "page.html.jinja"
    return environment.from_string(file.read_text("utf-8"))
