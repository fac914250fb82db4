"""Everything that comes from the environment, read here and nowhere else: real variables first, then `.env`.

`VARIABLES` is the one list of them; the reference, `.env.example` and `doctor` are made from it.
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

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
ENGINES = ("rehearsal", "local", "docker", "socket")


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: what it is for, what it is when it is not set, and how its text is read."""

    name: str
    field: str
    """The field of `Settings` that it fills; `FLEET_LOG` fills `log_level` and `log_format`."""
    description: str
    read: Callable[[str], Any] = str
    default: str = ""
    """As one would write it; empty: none."""
    secret: bool = False


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        scheme, mark, rest = text.partition("://")
        if scheme.lower() not in schemes or not mark or not rest.strip("/") or not text.isprintable() or " " in text:
            raise ValueError(f"a URL that begins with {' or '.join(f'{each}://' for each in schemes)}")
        return text.rstrip("/")

    return read


def _secret(begins: str, what: str) -> Callable[[str], SecretStr]:
    def read(text: str) -> SecretStr:
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("one word of plain letters, digits and signs, without spaces or line breaks")
        if begins and re.match(r"xox[a-z]-|xapp-", text) and not text.startswith(begins):
            raise ValueError(f"{what}, which begins with {begins} (this one begins with {text.split('-')[0]}-)")
        return SecretStr(text)

    return read


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("a port from 1 to 65535, or 0 for any free one")
    return int(text)


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise ValueError("an address or a host name such as 127.0.0.1")
    return text


def _path(text: str) -> Path:
    if not text.isprintable():
        raise ValueError("a path on one line")
    return Path(os.path.expanduser(text))  # noqa: PTH111 (the method of Path fails where nobody has a home)


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
    _key("ANTHROPIC_API_KEY", "anthropic_api_key", "Key for Claude; without it commands work and plain words do not."),
    Variable("ANTHROPIC_BASE_URL", "anthropic_base_url", "Where the Messages API is, when not at Anthropic.", _HTTP),
    _key("ENGINE_ANTHROPIC_API_KEY", "engine_anthropic_api_key", "Key for the runtime's agents; default ANTHROPIC_API_KEY."),
    _key(
        "SLACK_BOT_TOKEN", "slack_bot_token", "Slack's bot token (xoxb-…); without it Slack is off.", "xoxb-", "the bot token"
    ),
    _key("SLACK_APP_TOKEN", "slack_app_token", "Slack's app token (xapp-…) for Socket Mode.", "xapp-", "the app token"),
    _key(
        "SLACK_SIGNING_SECRET",
        "slack_signing_secret",
        "Slack's signing secret, where Slack sends to FLEET_PUBLIC_URL over HTTP.",
    ),
    Variable("SLACK_API_URL", "slack_api_url", "Where Slack's Web API is, when not at Slack.", _HTTP),
    _key("DISCORD_TOKEN", "discord_token", "Discord's bot token; without it Discord is off."),
    Variable("DISCORD_API_URL", "discord_api_url", "Base of Discord's REST API (…/api/v10), when not at Discord.", _HTTP),
    Variable("DISCORD_GATEWAY_URL", "discord_gateway_url", "Discord's gateway, when not at Discord.", _WS),
    Variable("DOCKER_HOST", "docker_host", "The Docker engine; Docker's own default when left out.", _DOCKER),
    Variable("FLEET_PRODUCTS", "products", "The registry file.", _path, "products.yaml"),
    Variable("FLEET_STATE", "state", "Folder for everything the fleet must remember.", _path, ".fleet"),
    _key("FLEET_WEB_TOKEN", "web_token", "Token that opens the page and the API; made once and kept when left out."),
    Variable("FLEET_WEB_HOST", "web_host", "Address on which the page and the gateway listen.", _host, "127.0.0.1"),
    Variable("FLEET_PUBLIC_URL", "public_url", "Address at which others reach the page's port; for Slack over HTTP.", _HTTP),
    Variable("FLEET_WEB_PORT", "web_port", "Port of the page; 0: any free one.", _port, "41790"),
    Variable("FLEET_GATEWAY_PORT", "gateway_port", "Port of the gateway; 0: any free one.", _port, "41789"),
    Variable("FLEET_LOG", "log", "Level (debug, info, warning, error) and format (text, json) of the log.", _log, "info text"),
    Variable("FLEET_ENGINE", "engine", "rehearsal, local, docker or socket; found by itself when left out.", _engine),
    Variable("FLEET_RUNTIME_SOCKET", "runtime_socket", "Socket of the supervisor, in a volume shared with a runtime.", _path),
)
"""Every variable that is read, in the order of the reference."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. Secrets never show in repr or logs: `settings.web_token.get_secret_value()`."""

    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: str | None = None
    engine_anthropic_api_key: SecretStr | None = None
    """The runtime's key: that of ANTHROPIC_API_KEY unless it has its own."""
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
    """debug, info, warning or error."""
    log_format: str = "text"
    """text or json."""
    engine: str | None = None
    """rehearsal, local, docker or socket; None: found by itself."""
    runtime_socket: Path | None = None
    given: frozenset[str] = frozenset()
    """Names of the variables that were set, for those who treat a default otherwise than a wish."""
    unknown: tuple[str, ...] = ()
    """Variables that begin with FLEET_ and mean nothing here, with the nearest that does: for `doctor`."""
    values: tuple[str, ...] = field(default=(), repr=False)
    """The text of every secret, for `redact`."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, directory: Path = Path()) -> "Settings":
        """Read the variables (of this process unless `environ` is given) and `.env` in `directory`. Raises `SettingsError`
        with everything that is wrong."""
        real = os.environ if environ is None else environ
        texts = {**read_env_file(directory / ".env"), **real}
        values, wrong = _read(texts)
        given = frozenset(variable.name for variable in VARIABLES if texts.get(variable.name, "").strip())
        values["log_level"], values["log_format"] = values.pop("log", ("info", "text"))
        if values.get("web_port", 0) == values.get("gateway_port") != 0:
            wrong.append("FLEET_GATEWAY_PORT is the port of FLEET_WEB_PORT; each needs its own.")
        if wrong:
            raise SettingsError("\n".join(wrong), "Correct it in the environment or in .env; .env.example shows each.")
        secrets = tuple(value.get_secret_value() for value in values.values() if isinstance(value, SecretStr))
        values["engine_anthropic_api_key"] = values.get("engine_anthropic_api_key", values.get("anthropic_api_key"))
        return cls(**values, given=given, unknown=_unknown(texts), values=secrets)

    def redact(self, text: str) -> str:
        """`text` without any secret of these settings and without anything shaped like one."""
        return redact(text, self.values)


def _read(texts: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The value of every variable that has one, and what is wrong with the others."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for variable in VARIABLES:
        text = texts.get(variable.name, "").strip() or variable.default
        if not text:
            continue
        try:
            values[variable.field] = variable.read(text)
        except ValueError as error:
            shown = "has a value that cannot be right" if variable.secret else f"is {redact(text[:80])!r}"
            wrong.append(f"{variable.name} {shown}: it must be {error}.")
    return values, wrong


def _unknown(texts: Mapping[str, str]) -> tuple[str, ...]:
    known = [variable.name for variable in VARIABLES]
    names = sorted(name for name in texts if name.startswith("FLEET_") and name not in known)
    near = {name: get_close_matches(name, known, n=1, cutoff=0.84) for name in names}
    return tuple(f"{name} means nothing here." + (f" Did you mean {near[name][0]}?" if near[name] else "") for name in names)


_NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file: `KEY=value`, quoted or not, with comments and `export`. None when there is no file.
    Raises `SettingsError` with file and line."""
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", "Make it a readable file, or remove it.") from None
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
        raise SettingsError(f"{where}: this is not NAME=value.", "Write one variable a line; comments begin with #.")
    name, value = match.groups()
    if value.startswith(("'", '"')):
        quoted = (_SINGLE if value[0] == "'" else _DOUBLE).fullmatch(value)
        if not quoted:
            raise SettingsError(f"{where}: the quotes of {name} do not close.", "Quote the whole value, on one line.")
        inner = quoted[1]
        return name, inner if value[0] == "'" else re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[1]), inner)
    return name, re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()


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
"""Keys of Anthropic, Slack, GitHub, AWS and Discord, authorisation headers, tokens and passwords in URLs, private keys. Each is
looked for only in a text that has its sign in it, in whatever letters: that costs a hundredth, and most texts have none."""


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without these secrets (of four characters or more) and without anything that has the shape of a token."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, _HIDDEN)
    lowered = text.lower()
    for sign, shape in _SHAPES:
        if sign in lowered:
            text = shape.sub(_HIDDEN, text)
    return text
