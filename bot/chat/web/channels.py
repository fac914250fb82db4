"""Names of conversations on the web.

The conversation `main` of the page is `web:main` in the store.
"""

from bot.domain.errors import UsageError

PREFIX = "web:"
LONGEST_NAME = 80
"""Characters of a name."""
NAME_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


def to_conversation(name: str) -> str:
    """Return the conversation that the web calls `name`. Raises UsageError for an invalid name."""
    name = name.removeprefix(PREFIX)
    if not 1 <= len(name) <= LONGEST_NAME or not NAME_SIGNS.issuperset(name):
        raise UsageError(
            f"Not a valid conversation name: “{name[:40]}”.",
            f"Use 1 to {LONGEST_NAME} letters, digits or any of . _ : - (for example main).",
            code="bad_conversation",
        )
    return PREFIX + name


def to_name(conversation: str) -> str:
    """Return the name of a conversation on the web."""
    return conversation.removeprefix(PREFIX)
