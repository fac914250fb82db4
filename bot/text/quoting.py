"""Quotations and code blocks that hold text of agents, which cannot break out of them."""


def fenced(text: str, language: str = "") -> str:
    """Return the text as a code block."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def quoted(text: str) -> str:
    """Return the text as a block quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) or ">"
