"""What agents wrote, inside what we say: as a quotation or a code block that nothing in it can leave."""


def fenced(text: str, language: str = "") -> str:
    """The text as a code block."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def quoted(text: str) -> str:
    """The text as a block quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines()) or ">"
