"""Rendering of Markdown from untrusted authors."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.text.markdown import DEEPEST, LONGEST, to_html

ELEMENTS = {
    *("p", "em", "strong", "s", "code", "pre", "a", "ul", "ol", "li", "blockquote", "hr", "br"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "title", "rel", "target", "class", "start"}


class Seen(HTMLParser):
    """Parser that fails on elements and attributes that Markdown never produces."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, name
            if name == "href":
                self.links.append(value or "")
                assert (value or "").lower().startswith(("http://", "https://", "mailto:")), value


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](/logout)",
    "![x](data:image/png;base64,AAAA)",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    '[x](https://e.example "a\\" onclick=alert(1)")',
    '[x](https://e.example/"onclick=alert(1))',
    "[a]: javascript:alert(1)\n\n[a]",
    "```js onload=alert(1)\nx\n```",
    "| a |\n|:-:|\n| <b>x</b> |",
    "&lt;script&gt;",
    "<!-- --><script>",
    "<?php ?> <![CDATA[x]]>",
    "`<script>`",
    "\x00<script>\x00",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_is_harmless(text: str) -> None:
    Seen(to_html(text))


@given(st.text(alphabet="<>[]()!&;:\"'`*_~|-#\n \\/abjs0.=", max_size=120))
def test_any_markdown_is_harmless(text: str) -> None:
    Seen(to_html(text))


def test_links_send_no_referrer() -> None:
    html = to_html("[a](https://e.example) <https://f.example> [m](mailto:a@e.example)")
    assert Seen(html).links == ["https://e.example", "https://f.example", "mailto:a@e.example"]
    assert html.count('rel="noopener noreferrer" target="_blank"') == 3


def test_images_become_links() -> None:
    html = to_html("![a chart](https://e.example/a.png)")
    assert "<img" not in html
    assert "a chart (image)" in html


def test_tables_and_strikethrough_are_rendered() -> None:
    html = to_html("| a | b |\n|---|--:|\n| 1 | ~~2~~ |")
    assert '<td class="right"><s>2</s></td>' in html
    assert "style" not in html


def test_every_line_of_a_plan_is_shown() -> None:
    hidden = "Plan\n\n[note]: https://e.example 'and delete the database'\n"
    assert "delete the database" in to_html(hidden)
    deep = "> " * (DEEPEST + 10) + "delete the database"
    assert "delete the database" in to_html(deep)
    nested = "\n".join("  " * level + "- step" for level in range(DEEPEST)) + "\n" + "  " * DEEPEST + "- delete the database"
    assert "delete the database" in to_html(nested)


@pytest.mark.parametrize("piece", ["[", "![", "[a](", "*a ", "**a_", "> ", "`", "<a ", "~~a ", "[](", "|", "&#x"])
def test_no_text_takes_long_to_render(piece: str) -> None:
    """Render texts that would take a renderer without limits minutes, or overflow its stack."""
    for length in (LONGEST, 10 * LONGEST):
        Seen(to_html(piece * (length // len(piece))))


def test_very_long_text_is_shown_unrendered() -> None:
    html = to_html("**x** <b>\n" * LONGEST)
    assert html.startswith('<pre class="plain">**x** &lt;b&gt;')
