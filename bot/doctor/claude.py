"""Check of the key for Claude."""

import json
import urllib.error
import urllib.request

from bot.domain.checks import Check
from bot.settings import Settings


def check(settings: Settings, *, online: bool) -> list[Check]:
    """Check the key's shape, and with `online` that the API accepts it. Counting tokens costs nothing."""
    key, base = settings.anthropic_api_key, settings.anthropic_base_url
    if key is None:
        return [Check("claude", "ok", "off: set ANTHROPIC_API_KEY to talk in plain language; commands work")]
    text = key.get_secret_value()
    if base is None and not text.startswith("sk-ant-"):
        message = f"ANTHROPIC_API_KEY is not an Anthropic key: it has {len(text)} characters and does not begin with sk-ant-."
        return [Check("claude", "fail", message, "Copy the whole key from console.anthropic.com, without quotes.")]
    if base is None and not online:
        return [Check("claude", "ok", "the key has the right shape; `fleet doctor --online` tries it")]
    return [_ask(base or "https://api.anthropic.com", text if online else "")]


def _ask(base: str, key: str) -> Check:
    """Call the Messages API, without a key only to see that it answers."""
    body = json.dumps({"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/v1/messages/count_tokens", body, headers)  # noqa: S310  settings allow http(s)
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return Check("claude", "ok", f"{base} answers and accepts the key")
    except urllib.error.HTTPError as error:
        error.close()
        if key and error.code in {401, 403}:
            fix = "Create a new key at console.anthropic.com and set ANTHROPIC_API_KEY to it."
            return Check("claude", "fail", f"{base} rejects ANTHROPIC_API_KEY ({error.code}).", fix)
        return Check("claude", "ok", f"{base} answers" + ("" if key else "; `fleet doctor --online` tries the key"))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        fix = "Check that the server is running and that ANTHROPIC_BASE_URL is right."
        if "anthropic.com" in base:
            fix = "Check the network of this machine, or set ANTHROPIC_BASE_URL."
        return Check("claude", "fail", f"{base} cannot be reached: {why}.", fix)
