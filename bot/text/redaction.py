"""Redaction of secrets in text that is stored, logged or shown."""

import re
from collections.abc import Iterable

_HIDDEN = "[hidden]"
_SHAPES = (
    ("sk-ant-", re.compile(r"\bsk-ant-[\w-]{8,}")),
    ("xox", re.compile(r"\bxox[a-z](?:\.[a-z]+)?-[\w-]{8,}")),
    ("xapp-", re.compile(r"\bxapp-[\w-]{8,}")),
    ("gh", re.compile(r"\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}")),
    ("akia", re.compile(r"\bAKIA[A-Z0-9]{16}\b")),
    ("asia", re.compile(r"\bASIA[A-Z0-9]{16}\b")),
    (".", re.compile(r"\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}")),
    ("bearer ", re.compile(r"(?i)(?<=\bbearer )[\w.~+/=-]{6,}")),
    ("bot ", re.compile(r"(?i)(?<=\bbot )[\w-]{20,}\.[\w.-]{6,}")),
    ("token=", re.compile(r"(?i)(?<=[?&]token=)[^\s&#\"']+")),
    ("://", re.compile(r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)")),
    ("-----begin", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)),
)
"""Patterns of secrets, each with a lower-case marker that every match contains.

They cover keys of Anthropic, Slack, GitHub, AWS and Discord, authorization headers, tokens and passwords in URLs, and private
keys. A pattern is tried only on texts that contain its marker, which costs a hundredth of the match.
"""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace these secrets (of at least four characters) and anything shaped like a token by `[hidden]`."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, _HIDDEN)
    lowered = text.lower()
    for marker, shape in _SHAPES:
        if marker in lowered:
            text = shape.sub(_HIDDEN, text)
    return text
