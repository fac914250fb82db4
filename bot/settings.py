"""Settings from environment variables and `.env`. Environment variables override the file.

No other module reads the environment. `VARIABLES` lists every variable, and the reference, `.env.example` and `fleet doctor`
are generated from it.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot.domain.errors import SettingsError
from bot.text.redaction import redact

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
ENGINES = ("rehearsal", "local", "docker", "socket")


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable with its description, default and parser."""

    name: str
    field: str
    """Field of `Settings` that it sets. `FLEET_LOG` sets `log_level` and `log_format`."""
    description: str
    read: Callable[[str], Any] = str
    default: str = ""
    """Default as it would be written, empty if there is none."""
    secret: bool = False


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        scheme, mark, rest = text.partition("://")
        if scheme.lower() not in schemes or not mark or not rest.strip("/") or not text.isprintable() or " " in text:
            raise ValueError(f"a URL that starts with {' or '.join(f'{each}://' for each in schemes)}")
        return text.rstrip("/")

    return read


def _secret(begins: str, what: str) -> Callable[[str], SecretStr]:
    def read(text: str) -> SecretStr:
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("one word of ASCII letters, digits and symbols, without spaces or line breaks")
        if begins and re.match(r"xox[a-z]-|xapp-", text) and not text.startswith(begins):
            raise ValueError(f"{what}, which starts with {begins} (this one starts with {text.split('-')[0]}-)")
        return SecretStr(text)

    return read


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("a port from 1 to 65535, or 0 for any free port")
    return int(text)


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise ValueError("an address or a host name such as 127.0.0.1")
    return text


def _path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("a path on one line")
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path.expanduser raises without a home)


def _engine(text: str) -> str:
    if text.lower() not in ENGINES:
        raise ValueError(f"one of {', '.join(ENGINES)}{_near(text, ENGINES)}")
    return text.lower()


def _log(text: str) -> tuple[str, str]:
    words = [{"warn": "warning"}.get(word, word) for word in text.lower().replace(",", " ").split()]
    levels, formats = [word for word in words if word in LEVELS], [word for word in words if word in FORMATS]
    wrong = next((word for word in words if word not in LEVELS + FORMATS), "")
    if wrong or len(levels) > 1 or len(formats) > 1:
        known = f"a level ({', '.join(LEVELS)}), a format ({', '.join(FORMATS)}), or both"
        raise ValueError(f"{known}{_near(wrong, LEVELS + FORMATS)}")
    return (levels or ["info"])[0], (formats or ["text"])[0]


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word.lower(), list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _key(name: str, field: str, description: str, begins: str = "", what: str = "") -> Variable:
    return Variable(name, field, description, _secret(begins, what), secret=True)


_HTTP = _url("http", "https")
_WS = _url("ws", "wss")
_DOCKER = _url("unix", "tcp", "ssh", "http", "https", "npipe")

VARIABLES = (
    _key("ANTHROPIC_API_KEY", "anthropic_api_key", "API key for Claude. Without it, only commands work."),
    Variable("ANTHROPIC_BASE_URL", "anthropic_base_url", "URL of the Messages API, if not Anthropic's.", _HTTP),
    _key(
        "ENGINE_ANTHROPIC_API_KEY", "engine_anthropic_api_key", "API key for agents in the runtime. Default: ANTHROPIC_API_KEY."
    ),
    _key("SLACK_BOT_TOKEN", "slack_bot_token", "Slack bot token (xoxb-…). Without it, Slack is off.", "xoxb-", "the bot token"),
    _key("SLACK_APP_TOKEN", "slack_app_token", "Slack app token (xapp-…) for Socket Mode.", "xapp-", "the app token"),
    _key(
        "SLACK_SIGNING_SECRET",
        "slack_signing_secret",
        "Slack signing secret, if Slack sends events to FLEET_PUBLIC_URL over HTTP.",
    ),
    Variable("SLACK_API_URL", "slack_api_url", "URL of the Slack Web API, if not Slack's.", _HTTP),
    _key("DISCORD_TOKEN", "discord_token", "Discord bot token. Without it, Discord is off."),
    Variable("DISCORD_API_URL", "discord_api_url", "Base URL of the Discord REST API (…/api/v10), if not Discord's.", _HTTP),
    Variable("DISCORD_GATEWAY_URL", "discord_gateway_url", "URL of the Discord gateway, if not Discord's.", _WS),
    Variable("DOCKER_HOST", "docker_host", "Address of the Docker engine. Default: Docker's own.", _DOCKER),
    Variable("FLEET_PRODUCTS", "products", "Registry file, which lists the products.", _path, "products.yaml"),
    Variable("FLEET_STATE", "state", "Folder for the database and all other state.", _path, ".fleet"),
    _key("FLEET_WEB_TOKEN", "web_token", "Admin token for the page and the API. Default: generated once and stored."),
    Variable("FLEET_WEB_HOST", "web_host", "Address that the page and the gateway listen on.", _host, "127.0.0.1"),
    Variable("FLEET_PUBLIC_URL", "public_url", "Public URL of the page, for Slack over HTTP.", _HTTP),
    Variable("FLEET_WEB_PORT", "web_port", "Port of the page (0: any free port).", _port, "41790"),
    Variable("FLEET_GATEWAY_PORT", "gateway_port", "Port of the gateway (0: any free port).", _port, "41789"),
    Variable("FLEET_LOG", "log", "Log level (debug, info, warning, error) and format (text, json).", _log, "info text"),
    Variable("FLEET_ENGINE", "engine", "Engine: rehearsal, local, docker or socket. Default: detected.", _engine),
    Variable(
        "FLEET_RUNTIME_SOCKET", "runtime_socket", "Path of the supervisor's socket, in a volume shared with the runtime.", _path
    ),
)
"""Every variable, in the order of the reference."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of this process.

    Secrets never appear in `repr` or logs. Read one with `settings.web_token.get_secret_value()`.
    """

    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    engine_anthropic_api_key: SecretStr | None = None
    """Key of the runtime, `anthropic_api_key` unless set."""
    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_api_url: str | None = None
    discord_token: SecretStr | None = None
    discord_api_url: str | None = None
    discord_gateway_url: str | None = None
    docker_host: str | None = None
    products: Path = Path("products.yaml")
    state: Path = Path(".fleet")
    web_token: SecretStr | None = None
    web_host: str = "127.0.0.1"
    public_url: str | None = None
    web_port: int = 41790
    gateway_port: int = 41789
    log_level: str = "info"
    """One of debug, info, warning, error."""
    log_format: str = "text"
    """One of text, json."""
    engine: str | None = None
    """One of rehearsal, local, docker, socket. None to detect it."""
    runtime_socket: Path | None = None
    given: frozenset[str] = frozenset()
    """Names of the variables that were set, to tell a default from a choice."""
    unknown: tuple[str, ...] = ()
    """Messages for `fleet doctor` about unknown variables that start with FLEET_."""
    values: tuple[str, ...] = field(default=(), repr=False)
    """Text of every secret, for `redact`."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, directory: Path = Path()) -> "Settings":
        """Read the variables of this process (or `environ`) and the `.env` file in `directory`.

        Raises `SettingsError` with all problems.
        """
        real = os.environ if environ is None else environ
        texts = {**read_env_file(directory / ".env"), **real}
        values, wrong = _read(texts)
        given = frozenset(variable.name for variable in VARIABLES if texts.get(variable.name, "").strip())
        values["log_level"], values["log_format"] = values.pop("log", ("info", "text"))
        if values.get("web_port", 0) == values.get("gateway_port") != 0:
            wrong.append("FLEET_GATEWAY_PORT is the same as FLEET_WEB_PORT. Each needs its own port.")
        if wrong:
            raise SettingsError("\n".join(wrong), "Fix it in the environment or in .env. See .env.example for every variable.")
        secrets = tuple(value.get_secret_value() for value in values.values() if isinstance(value, SecretStr))
        values["engine_anthropic_api_key"] = values.get("engine_anthropic_api_key", values.get("anthropic_api_key"))
        return cls(**values, given=given, unknown=_unknown(texts), values=secrets)

    def redact(self, text: str) -> str:
        """Replace every secret of these settings, and anything shaped like one, in `text`."""
        return redact(text, self.values)


def _read(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Parse the variables. Returns their values and the problems."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for variable in VARIABLES:
        text = texts.get(variable.name, "").strip() or variable.default
        if not text:
            continue
        try:
            values[variable.field] = variable.read(text)
        except ValueError as error:
            shown = "" if variable.secret else f" {redact(text[:80])!r}"
            wrong.append(f"{variable.name}: invalid value{shown}, must be {error}.")
    return values, wrong


def _unknown(texts: Mapping[str, str]) -> tuple[str, ...]:
    known = [variable.name for variable in VARIABLES]
    names = sorted(name for name in texts if name.startswith("FLEET_") and name not in known)
    near = {name: get_close_matches(name, known, n=1, cutoff=0.84) for name in names}
    return tuple(
        f"{name} is not a known variable." + (f" Did you mean {near[name][0]}?" if near[name] else "") for name in names
    )


_NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_file(path: Path) -> dict[str, str]:
    """Read the variables of a `.env` file, or none if it does not exist.

    The format is `KEY=value`, quoted or not, with comments and `export`. Raises `SettingsError` with file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", "Make it a readable file or remove it.") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            name, value = _env_line(stripped, f"{path}:{number}")
            found[name] = value
    return found


def _env_line(line: str, where: str) -> tuple[str, str]:
    match = _NAME.fullmatch(line)
    if not match:
        raise SettingsError(f"{where}: expected NAME=value.", "Write one variable per line. Comments start with #.")
    name, value = match.groups()
    if value.startswith(("'", '"')):
        quoted = (_SINGLE if value[0] == "'" else _DOUBLE).fullmatch(value)
        if not quoted:
            raise SettingsError(f"{where}: the quotes of {name} are not closed.", "Quote the whole value on one line.")
        inner = quoted[1]
        return name, inner if value[0] == "'" else re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[1]), inner)
    return name, re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()
