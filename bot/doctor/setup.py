"""What `fleet doctor` looks at in the set-up: the packages, the settings, the registry, the tokens and keys."""

import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bot.doctor.machine import Check
from bot.domain.errors import FleetError, RegistryError, SettingsError

if TYPE_CHECKING:
    from bot.registry import Registry
    from bot.settings import Settings

SHORT = 16
"""Characters of a web token below which it can be guessed."""


def python() -> list[Check]:
    """Python and the packages that this program asks for, and git."""
    said = ".".join(map(str, sys.version_info[:3]))
    missing = []
    for wanted in metadata.requires("meta-coordinator") or ():
        name = wanted.split(";")[0].split("[")[0].rstrip("<>=!~ .0123456789,")
        try:
            _ = "extra ==" in wanted or metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        said = f"These packages are missing: {', '.join(missing)}."
        return [Check("python", "fail", said, "Run `make install`, or pip install meta-coordinator again.", fatal=True)]
    checks = [Check("python", "ok", f"{said}, meta-coordinator {metadata.version('meta-coordinator')}")]
    if shutil.which("git") is None:
        cure = "Install git, or let products run in a container."
        checks.append(Check("git", "warn", "git is not installed; an engine on this machine needs it.", cure))
    return checks


def settings(environ: Mapping[str, str], directory: Path) -> tuple["Settings", list[Check]]:
    """The settings, as far as they can be read, and what is wrong with the rest."""
    from bot.settings import VARIABLES, Settings, read_env_file

    try:
        found = Settings.load(environ, directory)
        wrong = []
    except SettingsError as error:
        wrong = [Check("settings", "fail", line, error.hint, fatal=True) for line in error.message.splitlines()]
        try:
            texts = {**read_env_file(directory / ".env"), **environ}
        except SettingsError:
            texts = dict(environ)
        good = {each.name: texts[each.name] for each in VARIABLES if each.name in texts and _reads(each.name, texts)}
        found = Settings.load(good, directory / "nowhere")
    found = replace(found, state=directory / found.state, products=directory / found.products)
    unknown = [Check("settings", "warn", words, "Correct its name, or remove it.") for words in found.unknown]
    given = ", ".join(sorted(found.given)) or "none set; every one has a default"
    return found, [*wrong, *unknown] or [Check("settings", "ok", given)]


def _reads(name: str, texts: Mapping[str, str]) -> bool:
    from bot.settings import Settings

    try:
        Settings.load({name: texts[name]}, Path("/nonexistent"))
    except SettingsError:
        return False
    return True


def registry(settings: "Settings") -> tuple["Registry | None", list[Check]]:
    """The registry file and every problem in it."""
    from bot.cli.init import registry_of
    from bot.registry import load

    path = settings.products
    if not path.exists():
        cure = "Write one with `fleet init`, or set FLEET_PRODUCTS to yours."
        return None, [Check("registry", "fail", f"There is no {settings.products}.", cure, fatal=True)]
    try:
        path = registry_of(path, settings.state, given="FLEET_PRODUCTS" in settings.given)
        found = load(path)
    except RegistryError as error:
        problems = [str(problem) for problem in error.problems]
        cure = f"Correct {'that line' if len(problems) == 1 else f'these {len(problems)} places'} in {settings.products}."
        return None, [Check("registry", "fail", "\n".join(problems), cure, fatal=True)]
    except FleetError as error:
        return None, [Check("registry", "fail", error.message, error.hint, fatal=True)]
    if not found.products:
        return found, [Check("registry", "warn", f"{path} lists no product yet.", "Add one; the comments in the file say how.")]
    return found, [Check("registry", "ok", f"{len(found.products)} products in {path}")]


def token(settings: "Settings", folder: Path) -> list[Check]:
    """The web token: whether it can be guessed."""
    if settings.web_token is None:
        kept = folder / "web-token"
        return [Check("token", "ok", f"kept in {kept}" if kept.exists() else "made at the first start")]
    text = settings.web_token.get_secret_value()
    if len(text) < SHORT or len(set(text)) < 6:
        said = f"FLEET_WEB_TOKEN is easy to guess: {len(text)} characters, {len(set(text))} different."
        cure = "Leave it out, then one is made; or use the output of: openssl rand -base64 24"
        return [Check("token", "warn", said, cure)]
    return [Check("token", "ok", "FLEET_WEB_TOKEN")]


def claude(settings: "Settings", *, online: bool) -> list[Check]:
    """The key for Claude: its shape, and with `online` whether it is taken. Counting tokens costs nothing."""
    key, base = settings.anthropic_api_key, settings.anthropic_base_url
    if key is None:
        return [Check("claude", "ok", "off: set ANTHROPIC_API_KEY to talk in plain words; commands work")]
    text = key.get_secret_value()
    if base is None and not text.startswith("sk-ant-"):
        said = f"ANTHROPIC_API_KEY is no Anthropic key: it has {len(text)} characters and does not begin with sk-ant-."
        return [Check("claude", "fail", said, "Copy the whole key from console.anthropic.com, without quotes.")]
    if base is None and not online:
        return [Check("claude", "ok", "the key has the right shape; `fleet doctor --online` tries it")]
    return [_asked(base or "https://api.anthropic.com", text if online else "")]


def _asked(base: str, key: str) -> Check:
    """Whether the Messages API answers there, and takes the key if one is handed in."""
    body = json.dumps({"model": "claude-haiku-5-5", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/v1/messages/count_tokens", body, headers)  # noqa: S310  settings allow http(s)
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return Check("claude", "ok", f"{base} answers and takes the key")
    except urllib.error.HTTPError as error:
        error.close()
        if key and error.code in {401, 403}:
            return Check("claude", "fail", f"{base} rejects ANTHROPIC_API_KEY ({error.code}).", "Make a new key, and set it.")
        return Check("claude", "ok", f"{base} answers" + ("" if key else "; `fleet doctor --online` tries the key"))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        name = "ANTHROPIC_BASE_URL" if "anthropic.com" not in base else "the network, or ANTHROPIC_BASE_URL"
        return Check("claude", "fail", f"{base} cannot be reached: {why}.", f"See that it runs; mend {name}.")
