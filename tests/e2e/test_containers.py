"""The containers of compose.yaml, with their permissions, shared resources and secrets."""

import json
from collections.abc import Callable

import pytest

from bot.supervisor.protocol import PROTOCOL
from tests.e2e.bed import BOT, ROOT, RUNTIME, Compose, inside, inspect, run, until

PRODUCTS = ["product-a", "product-b", "product-c", "product-d"]
IMAGES = ("meta-coordinator", "meta-coordinator-runtime:rehearsal")

KILL = """
import os
for entry in os.listdir("/proc"):
    if entry.isdigit() and int(entry) not in (1, os.getpid()):
        words = open(f"/proc/{entry}/cmdline", "rb").read()
        if WORDS in words:
            os.kill(int(entry), 9)
"""
"""Script that kills every process with WORDS in its command line, as the out-of-memory killer would."""

SPEAK = """
import json, socket
with socket.socket(socket.AF_UNIX) as stream:
    stream.connect("/run/fleet/supervisor.sock")
    hello = {"jsonrpc": "2.0", "id": 0, "method": "hello", "params": {"protocol": PROTOCOL, "client": "test"}}
    stream.sendall(json.dumps(hello).encode() + b"\\n")
    print(stream.makefile().readline())
"""


@pytest.fixture(params=[BOT, RUNTIME])
def container(request: pytest.FixtureRequest, containers: Compose) -> str:
    name: str = request.param
    return name


def health(name: str) -> str:
    state: dict[str, dict[str, str]] = inspect(name)["State"]
    return state["Health"]["Status"]


def test_containers_are_healthy(container: str) -> None:
    assert health(container) == "healthy"


def test_containers_are_not_root(container: str) -> None:
    assert int(inside(container, "id", "-u")) >= 1000


def test_agent_is_a_real_user_with_a_writable_home(containers: Compose) -> None:
    passwd = inside(RUNTIME, "getent", "passwd", "1000").split(":")
    assert passwd[0] == "agent"
    inside(RUNTIME, "sh", "-c", f'test "$HOME" = "{passwd[5]}" && touch "$HOME/written" && rm "$HOME/written"')


def test_bot_and_agent_share_only_one_group(containers: Compose) -> None:
    assert inside(BOT, "id", "-u") != inside(RUNTIME, "id", "-u")
    common = set(inside(BOT, "id", "-G").split()) & set(inside(RUNTIME, "id", "-G").split())
    assert common == {"1001"}


def test_runtime_refuses_root(containers: Compose) -> None:
    said = run(["docker", "run", "--rm", "--user", "0", IMAGES[1]], check=False)
    assert "does not run as root" in said


def test_root_file_system_is_read_only(container: str) -> None:
    assert "Read-only file system" in inside(container, "touch", "/opt/written", check=False)
    assert inspect(container)["HostConfig"]["ReadonlyRootfs"] is True


def test_containers_have_no_capabilities(container: str) -> None:
    status = dict(line.split(":\t", 1) for line in inside(container, "cat", "/proc/self/status").splitlines() if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"


def test_no_container_has_the_docker_socket(container: str) -> None:
    mounts = inspect(container)["Mounts"]
    assert mounts
    assert not [
        mount for mount in mounts if "docker" in mount["Destination"] or mount["Source"].startswith(("/run", "/var/run"))
    ]
    assert inside(container, "sh", "-c", "ls /run/docker.sock /var/run/docker.sock 2>/dev/null || true") == ""


def test_memory_and_processes_are_limited(container: str) -> None:
    limits = inspect(container)["HostConfig"]
    assert limits["Memory"] > 0
    assert limits["PidsLimit"] > 0


def test_ports_are_published_on_loopback_only(containers: Compose) -> None:
    bindings = [each for ports in inspect(BOT)["NetworkSettings"]["Ports"].values() for each in ports or []]
    wanted = {containers.settings["FLEET_WEB_PORT"], containers.settings["FLEET_GATEWAY_PORT"]}
    assert {each["HostPort"] for each in bindings} == wanted
    assert {each["HostIp"] for each in bindings} == {"127.0.0.1"}
    assert not inspect(RUNTIME)["HostConfig"]["PortBindings"]


def test_agents_cannot_reach_the_page(containers: Compose) -> None:
    networks = [set(inspect(name)["NetworkSettings"]["Networks"]) for name in (BOT, RUNTIME)]
    assert all(networks)
    assert not networks[0] & networks[1]
    address = next(iter(inspect(BOT)["NetworkSettings"]["Networks"].values()))["IPAddress"]
    script = f"import socket; socket.create_connection(({address!r}, {containers.settings['FLEET_WEB_PORT']}), 2)"
    assert "Error" in inside(RUNTIME, "python3", "-c", script, check=False)


def test_bot_reads_projects_and_runtime_writes_them(containers: Compose) -> None:
    inside(RUNTIME, "touch", "/projects/product-a/written")
    assert "Read-only file system" in inside(BOT, "rm", "/projects/product-a/written", check=False)
    assert "written" in inside(BOT, "ls", "/projects/product-a").split()
    inside(RUNTIME, "rm", "/projects/product-a/written")


def test_supervisor_answers_the_bot_through_the_socket(containers: Compose) -> None:
    inside(RUNTIME, "python3", "-P", "-m", "bot.supervisor", "--check", "/run/fleet/supervisor.sock")
    hello = json.loads(inside(BOT, "python3", "-c", f"PROTOCOL = {PROTOCOL}\n{SPEAK}"))["result"]
    assert hello["rehearsal"] is True


def test_socket_is_private_to_bot_and_agent(containers: Compose) -> None:
    assert inside(RUNTIME, "stat", "-c", "%U:%G %a", "/run/fleet") == "agent:fleet 2770"
    assert "Read-only file system" in inside(BOT, "touch", "/run/fleet/another", check=False)


def test_each_container_gets_only_its_own_key(containers: Compose) -> None:
    bot, runtime = ("\n".join(inspect(name)["Config"]["Env"]) for name in (BOT, RUNTIME))
    own, engine = containers.settings["ANTHROPIC_API_KEY"], containers.settings["ENGINE_ANTHROPIC_API_KEY"]
    assert own in bot and engine not in bot
    assert engine in runtime and own not in runtime


def test_images_contain_no_key(containers: Compose) -> None:
    for image in IMAGES:
        told = run(["docker", "image", "inspect", image]) + run(["docker", "history", "--no-trunc", image])
        assert [word for word in ("sk-ant", "API_KEY", *containers.settings.values()) if len(word) > 5 and word in told] == []


def test_images_contain_only_the_program(containers: Compose) -> None:
    search = [
        "find",
        "/",
        "-xdev",
        "(",
        "-name",
        ".env*",
        "-o",
        "-name",
        ".git",
        "-o",
        "-name",
        "tests",
        ")",
        "-path",
        "*fleet*",
    ]
    for name in (BOT, RUNTIME):
        assert inside(name, "sh", "-c", " ".join(f"'{word}'" for word in search) + " 2>/dev/null || true") == ""


def test_rehearsal_fills_projects_with_repositories(containers: Compose) -> None:
    assert inside(RUNTIME, "ls", "/projects").split() == PRODUCTS
    for product in PRODUCTS:
        assert inside(RUNTIME, "git", "-C", f"/projects/{product}", "log", "--oneline")
        assert inside(RUNTIME, "git", "-C", f"/projects/{product}", "status", "--porcelain") == ""
        inside(RUNTIME, "test", "-f", f"/projects/{product}/.overstory/config.yaml")


def test_dead_runtime_restarts_with_its_projects(containers: Compose) -> None:
    inside(RUNTIME, "touch", "/projects/product-b/kept")
    before = inspect(RUNTIME)["RestartCount"]
    inside(RUNTIME, "python3", "-c", f"WORDS = b'supervisor.sock'{KILL}", check=False)
    until(lambda: inspect(RUNTIME)["RestartCount"] > before, "Docker to start the runtime again")
    until(lambda: health(RUNTIME) == "healthy", "the runtime to be healthy again")
    inside(RUNTIME, "rm", "/projects/product-b/kept")


def test_dead_bot_restarts(containers: Compose) -> None:
    before = inspect(BOT)["RestartCount"]
    inside(BOT, "python3", "-c", f"WORDS = b'fleet'{KILL}", check=False)
    until(lambda: inspect(BOT)["RestartCount"] > before, "Docker to start the bot again")
    until(lambda: health(BOT) == "healthy", "the bot to be healthy again")


def test_runtime_contains_our_agent_definitions(containers: Compose) -> None:
    assert inside(RUNTIME, "ls", "/usr/lib/python3/dist-packages/bot/supervisor/adoption/definitions").split() == [
        "marketing.md",
        "support.md",
    ]


def test_base_image_is_built_once(images: None) -> None:
    assert "already exists" in run([ROOT / "containers/base/make"])


def test_interrupted_start_fills_projects_again(new_compose: Callable[..., Compose], containers: Compose) -> None:
    volume = f"{containers.project}_half"
    begin = "mkdir /projects/.seeding /projects/product-a && touch /projects/product-a/half"
    mounted = ["docker", "run", "--rm", "-v", f"{volume}:/projects"]
    try:
        run([*mounted, "--entrypoint", "sh", IMAGES[1], "-c", begin])
        run([*mounted, "--entrypoint", "/opt/fleet/seed_products.sh", IMAGES[1]])
        assert run([*mounted, "--entrypoint", "ls", IMAGES[1], "-A", "/projects"]).split() == PRODUCTS
        assert "half" not in run([*mounted, "--entrypoint", "ls", IMAGES[1], "/projects/product-a"])
    finally:
        run(["docker", "volume", "rm", "--force", volume])
