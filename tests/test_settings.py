"""Settings from the environment and `.env`."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import SettingsError
from bot.settings import VARIABLES, Settings, read_env_file

ROOT = Path(__file__).parent.parent


def refused(environ: dict[str, str], folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.load(environ, folder)
    return raised.value.message.splitlines()


def test_defaults_describe_a_local_fleet(tmp_path: Path) -> None:
    settings = Settings.load({}, tmp_path)
    assert settings == Settings()
    assert (settings.web_host, settings.web_port, settings.gateway_port) == ("127.0.0.1", 41790, 41789)
    assert (settings.products, settings.state) == (Path("products.yaml"), Path(".fleet"))
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert settings.given == frozenset()


def test_every_variable_is_read(tmp_path: Path) -> None:
    settings = Settings.load(
        {
            "ANTHROPIC_API_KEY": "key-one",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:4010/",
            "ENGINE_ANTHROPIC_API_KEY": "key-two",
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_APP_TOKEN": "xapp-1",
            "SLACK_SIGNING_SECRET": "signed",
            "SLACK_API_URL": "http://127.0.0.1:1/api",
            "DISCORD_TOKEN": "token",
            "DISCORD_API_URL": "http://127.0.0.1:2/api/v10",
            "DISCORD_GATEWAY_URL": "ws://127.0.0.1:3",
            "DOCKER_HOST": "ssh://agent@mini.local",
            "FLEET_PRODUCTS": "/srv/fleet.yaml",
            "FLEET_STATE": "/srv/state",
            "FLEET_WEB_TOKEN": "open-sesame",
            "FLEET_WEB_HOST": "0.0.0.0",
            "FLEET_PUBLIC_URL": "https://fleet.example.org/",
            "FLEET_WEB_PORT": "0",
            "FLEET_GATEWAY_PORT": "0",
            "FLEET_LOG": "debug json",
            "FLEET_ENGINE": "Docker",
            "FLEET_RUNTIME_SOCKET": "/run/fleet.sock",
        },
        tmp_path,
    )
    assert settings.given == {variable.name for variable in VARIABLES}
    secrets = [
        settings.anthropic_api_key,
        settings.engine_anthropic_api_key,
        settings.slack_bot_token,
        settings.slack_app_token,
    ]
    assert [secret and secret.get_secret_value() for secret in secrets] == ["key-one", "key-two", "xoxb-1", "xapp-1"]
    assert settings.slack_signing_secret and settings.slack_signing_secret.get_secret_value() == "signed"
    assert settings.public_url == "https://fleet.example.org"
    assert settings.discord_token and settings.discord_token.get_secret_value() == "token"
    assert settings.web_token and settings.web_token.get_secret_value() == "open-sesame"
    assert (settings.anthropic_base_url, settings.slack_api_url) == ("http://127.0.0.1:4010", "http://127.0.0.1:1/api")
    assert (settings.discord_api_url, settings.discord_gateway_url) == ("http://127.0.0.1:2/api/v10", "ws://127.0.0.1:3")
    assert (settings.products, settings.state, settings.runtime_socket) == (
        Path("/srv/fleet.yaml"), Path("/srv/state"), Path("/run/fleet.sock"),
    )  # fmt: skip
    assert (settings.docker_host, settings.engine) == ("ssh://agent@mini.local", "docker")
    assert (settings.web_host, settings.web_port, settings.gateway_port) == ("0.0.0.0", 0, 0)
    assert (settings.log_level, settings.log_format) == ("debug", "json")


def test_engine_key_defaults_to_the_fleet_key(tmp_path: Path) -> None:
    settings = Settings.load({"ANTHROPIC_API_KEY": "one"}, tmp_path)
    assert settings.engine_anthropic_api_key == settings.anthropic_api_key


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert Settings.load({"ANTHROPIC_API_KEY": " ", "FLEET_WEB_PORT": ""}, tmp_path) == Settings()


@pytest.mark.parametrize(
    ("text", "level", "form"),
    [("json", "info", "json"), ("warn", "warning", "text"), ("ERROR, text", "error", "text"), ("json debug", "debug", "json")],
)
def test_log_accepts_level_and_format(tmp_path: Path, text: str, level: str, form: str) -> None:
    settings = Settings.load({"FLEET_LOG": text}, tmp_path)
    assert (settings.log_level, settings.log_format) == (level, form)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    assert refused(
        {"FLEET_WEB_PORT": "http", "FLEET_GATEWAY_PORT": "70000", "FLEET_ENGINE": "dokcer", "FLEET_LOG": "debg"},
        tmp_path,
    ) == [
        "FLEET_WEB_PORT: invalid value 'http', must be a port from 1 to 65535, or 0 for any free port.",
        "FLEET_GATEWAY_PORT: invalid value '70000', must be a port from 1 to 65535, or 0 for any free port.",
        "FLEET_LOG: invalid value 'debg', must be a level (debug, info, warning, error), a format (text, json), or both "
        "(did you mean debug?).",
        "FLEET_ENGINE: invalid value 'dokcer', must be one of rehearsal, local, docker, socket (did you mean docker?).",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SLACK_BOT_TOKEN", "xapp-1-A-secret", "the bot token, which starts with xoxb- (this one starts with xapp-)"),
        ("SLACK_APP_TOKEN", "xoxb-1-A-secret", "the app token, which starts with xapp- (this one starts with xoxb-)"),
        ("FLEET_WEB_TOKEN", "two secret", "one word of ASCII letters, digits and symbols"),
        ("ANTHROPIC_API_KEY", "sécret", "one word of ASCII letters, digits and symbols"),
    ],
)
def test_invalid_secret_is_not_shown(tmp_path: Path, name: str, value: str, expected: str) -> None:
    [message] = refused({name: value}, tmp_path)
    assert message.startswith(f"{name}: invalid value, must be {expected}")
    assert value not in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLACK_API_URL", "slack.com"),
        ("SLACK_API_URL", "https://"),
        ("ANTHROPIC_BASE_URL", "https://a b"),
        ("DISCORD_GATEWAY_URL", "https://x"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("FLEET_WEB_PORT", "-1"),
        ("FLEET_WEB_PORT", "４"),
        ("FLEET_WEB_HOST", "my host"),
        ("FLEET_STATE", "a\nb"),
        ("FLEET_LOG", "debug info"),
        ("FLEET_LOG", "json text"),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, name: str, value: str) -> None:
    [message] = refused({name: value}, tmp_path)
    assert message.startswith(f"{name}: invalid value ")


def test_page_and_gateway_need_different_ports(tmp_path: Path) -> None:
    assert refused({"FLEET_WEB_PORT": "5000", "FLEET_GATEWAY_PORT": "5000"}, tmp_path) == [
        "FLEET_GATEWAY_PORT is the same as FLEET_WEB_PORT. Each needs its own port."
    ]


def test_unknown_variables_are_reported_with_the_nearest_name(tmp_path: Path) -> None:
    assert Settings.load({"FLEET_WEBPORT": "1", "FLEET_COLOUR": "1", "PATH": "/bin"}, tmp_path).unknown == (
        "FLEET_COLOUR is not a known variable.",
        "FLEET_WEBPORT is not a known variable. Did you mean FLEET_WEB_PORT?",
    )


# -- .env ----------------------------------------------------------------------------------------------------------------


def env(folder: Path, text: str) -> Path:
    (folder / ".env").write_text(text, "utf-8")
    return folder / ".env"


def test_env_file_accepts_common_forms(tmp_path: Path) -> None:
    path = env(
        tmp_path,
        '\ufeff# the fleet\n\nexport A=1\nB = two words  # comment\nC=\'single # \\n $X\'\r\nD="double \\"x\\" \\n" # comment\n'
        "E=\nF=a#b\nG=a=b\n  H=1\nI=#c\n",
    )
    assert read_env_file(path) == {
        "A": "1", "B": "two words", "C": "single # \\n $X", "D": 'double "x" \n', "E": "", "F": "a#b", "G": "a=b", "H": "1",
        "I": "",
    }  # fmt: skip


def test_environment_overrides_env_file(tmp_path: Path) -> None:
    env(tmp_path, "FLEET_WEB_PORT=1\nFLEET_GATEWAY_PORT=2\nANTHROPIC_API_KEY=from-file\n")
    settings = Settings.load({"FLEET_WEB_PORT": "3", "ANTHROPIC_API_KEY": ""}, tmp_path)
    assert (settings.web_port, settings.gateway_port, settings.anthropic_api_key) == (3, 2, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nnonsense\n", ".env:2: expected NAME=value."),
        ("1A=1", ".env:1: expected NAME=value."),
        ("A='open", ".env:1: the quotes of A are not closed."),
        ('A="x" y', ".env:1: the quotes of A are not closed."),
    ],
)
def test_invalid_env_line_is_reported_without_its_value(tmp_path: Path, text: str, expected: str) -> None:
    env(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        Settings.load({}, tmp_path)
    assert raised.value.message == f"{tmp_path}/{expected}"


def test_unreadable_env_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        Settings.load({}, tmp_path)
    (tmp_path / ".env").unlink()
    (tmp_path / ".env").mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        Settings.load({}, tmp_path)


@given(st.text())
def test_any_env_file_is_parsed_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = env(tmp_path_factory.getbasetemp(), text)
    try:
        assert all(name.isidentifier() for name in read_env_file(path))
    except SettingsError as error:
        assert str(path) in error.message


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_quoted_value_is_read_unchanged(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert read_env_file(env(tmp_path_factory.getbasetemp(), f'A="{quoted}"')) == {"A": value}


# -- secrets -------------------------------------------------------------------------------------------------------------

SECRET = "hush-hush-42"


def test_secrets_are_hidden_in_repr_and_redacted(tmp_path: Path) -> None:
    environ = {variable.name: SECRET for variable in VARIABLES if variable.secret}
    settings = Settings.load(environ, tmp_path)
    assert len(environ) == 7
    assert SECRET not in repr(settings) + str(settings)
    assert settings.redact(f"token={SECRET}, again {SECRET}") == "token=[hidden], again [hidden]"


# -- the list ------------------------------------------------------------------------------------------------------------


def test_variables_cover_every_setting() -> None:
    fields = {field.name for field in dataclasses.fields(Settings)} - {"given", "unknown", "values"}
    filled = {variable.field for variable in VARIABLES} - {"log"} | {"log_level", "log_format"}
    assert filled == fields
    assert all(variable.description.endswith(".") for variable in VARIABLES)


def test_variable_defaults_match_the_settings(tmp_path: Path) -> None:
    assert (
        dataclasses.replace(Settings.load({each.name: each.default for each in VARIABLES}, tmp_path), given=frozenset())
        == Settings()
    )


def test_env_example_lists_every_variable(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    shown = {variable.name: lines[lines.index(f"# {variable.name}={variable.default}") - 1] for variable in VARIABLES}
    assert shown == {variable.name: f"# {variable.description}" for variable in VARIABLES}
    assert read_env_file(ROOT / ".env.example") == {}
    without_marks = "\n".join(line.removeprefix("# ") for line in lines if "=" in line)
    assert set(read_env_file(env(tmp_path, without_marks))) == set(shown)
