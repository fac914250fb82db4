"""Markdown rendered as HTML that is safe in a page, even for text of agents. Pure.

Raw HTML is escaped, links lead only to the web and to mail addresses, and nothing makes a browser load a resource.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

LINKS = ("http://", "https://", "mailto:")
LONGEST = 20_000
"""Most characters that are rendered (20 ms, 150 ms at worst). Longer texts are shown as plain text."""
BRACKETS = 1000
"""Most opening brackets that are rendered, because each may make the parser scan the rest of the text."""
DEEPEST = 60
"""Most levels of quotes and lists.

The renderer drops anything deeper, and a plan must never be approved without being shown in full.
"""


@lru_cache(maxsize=256)
def to_html(text: str) -> str:
    """Render Markdown as HTML and cache the result, because the same plans are shown repeatedly."""
    return render(text)


def render(text: str) -> str:
    """Render Markdown as HTML."""
    if len(text) > LONGEST or text.count("[") > BRACKETS:
        return _plain(text)
    env: dict[str, Any] = {}
    tokens = _MARKDOWN.parse(text, env)
    if any(token.level >= DEEPEST - 2 for token in tokens):
        return _plain(text)
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, env))


def _plain(text: str) -> str:
    return f'<pre class="plain">{escapeHtml(text)}</pre>\n'


class _Safe(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  the name is the library's
        return url.strip().lower().startswith(LINKS)


def _cell(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    style = str(tokens[at].attrs.pop("style", ""))
    if style:
        tokens[at].attrSet("class", style.removeprefix("text-align:"))
    return str(self.renderToken(tokens, at, options, env))


def _link(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    tokens[at].attrSet("rel", "noopener noreferrer")
    tokens[at].attrSet("target", "_blank")
    return str(self.renderToken(tokens, at, options, env))


def _image(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    source = escapeHtml(str(tokens[at].attrGet("src") or ""))
    words = escapeHtml(tokens[at].content or "image")
    return f'<a href="{source}" rel="noopener noreferrer" target="_blank">{words} (image)</a>'


def _build() -> MarkdownIt:
    markdown = _Safe("js-default", {"html": False, "linkify": False, "typographer": False, "maxNesting": DEEPEST})
    markdown.disable("reference")  # Link definitions would not be shown.
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("image", _image)
    for cell in ("th_open", "td_open"):
        markdown.add_render_rule(cell, _cell)
    return markdown


_MARKDOWN = _build()
