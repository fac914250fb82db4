"""Redaction of secrets."""

import pytest

from bot.text.redaction import redact


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcDEF_123-xyz",
        "xoxb-12345678-abcdef",
        "xoxe.xoxp-1-abcdefgh12",
        "xapp-1-A012-345-abcdef",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.abcdefghijklmnopqrstuvwxyz_0123456789",
    ],
)
def test_token_shapes_are_hidden(secret: str) -> None:
    assert redact(f"a '{secret}', b") == "a '[hidden]', b"


def test_headers_urls_and_private_keys_are_hidden() -> None:
    assert redact("Authorization: Bearer abc.def-123") == "Authorization: Bearer [hidden]"
    assert redact("http://localhost:41790/?token=abc&x=1") == "http://localhost:41790/?token=[hidden]&x=1"
    assert redact("https://ana:pass@host/x") == "https://[hidden]@host/x"
    assert redact("x -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- y") == "x [hidden] y"


def test_ordinary_text_is_unchanged() -> None:
    text = "product-a merged 'fix pager' at 14:02, see w12 and src/parse.py:14, https://example.org/a?b=c, bearer of news"
    assert redact(text, ["abc", ""]) == text
