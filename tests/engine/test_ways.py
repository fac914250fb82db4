"""The ways to a supervisor (a socket, a local process, docker exec and SSH) and the link over any of them."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Product
from bot.domain.errors import EngineError, RuntimeUnreachable
from bot.engine import docker, local, ssh
from bot.engine.base import RuntimeDown, RuntimeUp, SnapshotChanged
from bot.engine.docker import Demux, DockerTransport
from bot.engine.local import LocalTransport
from bot.engine.supervised import SupervisedEngine
from bot.engine.transport import Line, Transport
from bot.engine.unix import UnixTransport
from bot.supervisor.protocol import PROTOCOL, ChannelError, Decoder, Notification, Request, Response, encode
from tests.yard import Ear, Yard, environment, mailed, until

# A process beside the bot


def beside(yard: Yard, *names: str, **env: str) -> LocalTransport:
    return LocalTransport(yard.folder.joinpath(*(names or ("state",))), environment=environment(**env))


async def test_supervisor_outlives_the_fleet_and_is_found_again(yard: Yard) -> None:
    product = yard.product("one")
    engine, ear = await yard.engine(beside(yard), product)
    await engine.start("one")
    (info,) = engine.runtimes()
    assert (info.name, info.kind, info.rehearsal) == ("local", "rehearsal", True)
    await engine.close()
    mailed(product, subject="meanwhile")
    again, ear = await yard.engine(beside(yard), product)
    await ear.letter("one", subject="meanwhile")
    assert again.runtimes()[0].boot == info.boot


async def test_fleets_that_start_together_share_one_supervisor(yard: Yard) -> None:
    engines = await asyncio.gather(*(yard.engine(beside(yard), yard.product(f"p{n}")) for n in range(3)))
    for engine, ear in engines:
        await ear.up(1)
        assert engine.runtimes()
    assert len({engine.runtimes()[0].boot for engine, _ in engines}) == 1


async def test_killed_supervisor_is_restarted(yard: Yard) -> None:
    way = beside(yard)
    engine, ear = await yard.engine(way, yard.product("one"))
    await ear.up(1)
    await engine.start("one")
    info = await way._ask("hello")
    os.kill(info["pid"], 9)
    await ear.up(2)
    assert len(ear.of(RuntimeDown)) == 1
    assert (await engine.snapshot())[0].coordinator


async def test_supervisor_of_another_engine_is_replaced_once_no_session_runs(yard: Yard, old_product: Path) -> None:
    product = yard.product("one")
    engine, _ = await yard.engine(beside(yard), product)
    await engine.start("one")
    await engine.close()
    engine, _ = await yard.engine(beside(yard, REHEARSAL_DIALECT="0.5.8"), product)
    await engine.snapshot()
    assert engine.runtimes()[0].engine == "0.11.0 (rehearsal)", "a session runs, so the supervisor stays"
    await engine.stop("one")
    await engine.close()
    engine, _ = await yard.engine(beside(yard, REHEARSAL_DIALECT="0.5.8"), product)
    await engine.snapshot()
    assert engine.runtimes()[0].engine == "0.5.8 (rehearsal)"


async def test_state_folder_may_have_a_long_path(yard: Yard) -> None:
    way = beside(yard, *["a-rather-long-folder-name"] * 6)
    assert len(str(way.folder)) > 107
    engine, ear = await yard.engine(way, yard.product("one"))
    await ear.up(1)
    assert (await engine.snapshot())[0].trouble is None
    assert (way.folder / "socket").read_text().strip() == str(way.socket)
    assert way.socket.parent.stat().st_mode & 0o077 == 0
    os.kill((await way._ask("hello"))["pid"], 15)
    await until(lambda: not way.socket.exists())


async def test_engine_does_not_get_the_fleets_secrets(yard: Yard) -> None:
    secrets = {"SLACK_BOT_TOKEN": "xoxb-1", "DISCORD_TOKEN": "d-1", "FLEET_WEB_TOKEN": "f-1", "ANTHROPIC_API_KEY": "bot-key"}
    way = LocalTransport(yard.folder / "state", environment={**environment(), **secrets}, key="engine-key")
    _, ear = await yard.engine(way, yard.product("one"))
    await ear.up(1)
    found = Path(f"/proc/{(await way._ask('hello'))['pid']}/environ").read_bytes()
    assert b"engine-key" in found
    assert not [secret for secret in secrets.values() if secret.encode() in found]


async def test_supervisor_that_cannot_start_is_reported(yard: Yard) -> None:
    state = yard.folder / "state"
    state.mkdir()
    (state / "runtime").write_text("a file in the way")
    engine, ear = await yard.engine(LocalTransport(state, environment=environment()), yard.product("one"))
    await until(lambda: ear.of(RuntimeDown))
    with pytest.raises(RuntimeUnreachable):
        await engine.start("one")


def test_engine_on_path_prefers_ov(tmp_path: Path) -> None:
    assert local.engine_on_path(str(tmp_path)) is None
    for name in ("overstory", "ov"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert local.engine_on_path(str(tmp_path)) == str(tmp_path / name)


# A socket


async def test_missing_and_dead_sockets_have_their_own_errors(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnreachable, match="There is no socket"):
        await UnixTransport(tmp_path / "none").open()
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "dead"))
    with pytest.raises(RuntimeUnreachable, match="No supervisor answers"):
        await UnixTransport(tmp_path / "dead").open()


# The link, over a supervisor of words


class Puppet:
    """A supervisor whose every word a test chooses."""

    def __init__(self) -> None:
        self.hello: Mapping[str, Any] = {"boot": "b1", "life": "l1", "engine": "0.11.0", "rehearsal": True}
        self.protocol = PROTOCOL
        self.requests: list[Request] = []
        self.answers: dict[str, Any] = {"watch": {}, "info": self.hello}
        self.writers: list[asyncio.StreamWriter] = []

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        decoder = Decoder()
        while data := await reader.read(65536):
            for message in decoder.feed(data):
                if isinstance(message, Request) and message.method == "hello":
                    writer.write(encode(Response(message.id, {**self.hello, "protocol": self.protocol})))
                elif isinstance(message, Request):
                    self.requests.append(message)
                    found = self.answers.get(message.method)
                    if isinstance(found, ChannelError):
                        writer.write(encode(Response(message.id, error=found)))
                    elif found is not None:
                        writer.write(encode(Response(message.id, found)))
        writer.close()

    def say(self, line: bytes) -> None:
        self.writers[-1].write(line)

    def hang_up(self) -> None:
        self.writers[-1].close()


@asynccontextmanager
async def puppet(folder: Path) -> AsyncIterator[tuple[Puppet, SupervisedEngine, Ear]]:
    """A puppet on a socket, and an engine that talks to it about product one."""
    said = Puppet()
    server = await asyncio.start_unix_server(said.attend, str(folder / "s"))
    engine, ear = SupervisedEngine(UnixTransport(folder / "s", "far")), Ear()
    try:
        yield said, engine, ear
    finally:
        await engine.close()
        for writer in said.writers:
            writer.close()
        server.close()
        await server.wait_closed()


ONE = Product("one", "/one")


async def test_link_watches_before_any_other_request(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        said.answers["start"] = {"started": True}
        await engine.open(ear)
        await engine.watch([ONE], {"one": "3:m"})
        await engine.start("one")
        assert [request.method for request in said.requests] == ["watch", "start"]
        assert said.requests[0].params == {"products": [{"name": "one", "path": "/one", "cursor": "3:m"}]}


@pytest.mark.parametrize(("protocol", "words"), [(PROTOCOL + 1, "update the fleet"), (PROTOCOL - 1, "update the supervisor")])
async def test_other_protocol_version_is_reported_with_the_remedy(tmp_path: Path, protocol: int, words: str) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        said.protocol = protocol
        await engine.open(ear)
        await engine.watch([ONE], {})
        with pytest.raises(RuntimeUnreachable, match=words):
            await engine.start("one")
        await until(lambda: len(said.writers) > 1)
        assert len(ear.of(RuntimeDown)) == 1


async def test_restarted_runtime_differs_from_restarted_supervisor(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        await engine.open(ear)
        await engine.watch([ONE], {})
        await ear.up(1)
        for number, hello in enumerate(({"boot": "b2"}, {"boot": "b3", "life": "l2"}), 2):
            said.hello = {**said.hello, **hello}
            said.hang_up()
            await ear.up(number)
        assert [up.restarted for up in ear.of(RuntimeUp)] == [False, False, True]


async def test_unreadable_lines_do_not_end_the_link(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        await engine.open(ear)
        await engine.watch([ONE], {})
        await ear.up(1)
        said.say(
            b"\xff\n[]\n{}\n" + encode(Response(12345, "nobody asked")) + encode(Notification("weather", {"product": "one"}))
        )
        said.say(
            encode(Notification("mail", {"product": "one", "mail": [{"id": 1}]}))
            + encode(Notification("snapshot", {"product": "two"}))
        )
        said.say(encode(Notification("snapshot", {"product": "one", "at": "2026-11-23T00:00:00+00:00", "coordinator": True})))
        await until(lambda: ear.of(SnapshotChanged))
        assert not ear.of(RuntimeDown)
        assert not ear.mail("one")


async def test_failing_listener_does_not_end_the_link(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, _):
        heard: list[object] = []

        def listener(event: object) -> None:
            heard.append(event)
            if len(heard) == 1:
                raise ValueError("a bug")

        await engine.open(listener)
        await engine.watch([ONE], {})
        await until(lambda: heard)
        said.say(encode(Notification("snapshot", {"product": "one", "at": "2026-11-23T00:00:00+00:00"})))
        await until(lambda: len(heard) == 2)


async def test_errors_of_the_supervisor_are_raised(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        said.answers["start"] = ChannelError("locked", "The database is locked.", "Try again.", "one")
        await engine.open(ear)
        await engine.watch([ONE], {})
        with pytest.raises(EngineError) as caught:
            await engine.start("one")
        assert (caught.value.code, caught.value.hint, caught.value.product) == ("locked", "Try again.", "one")


async def test_broken_connection_fails_open_requests(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        await engine.open(ear)
        await engine.watch([ONE], {})
        asking = asyncio.create_task(engine.start("one"))
        await until(lambda: any(request.method == "start" for request in said.requests))
        said.hang_up()
        with pytest.raises(RuntimeUnreachable):
            await asking
        await ear.up(2)


async def test_close_fails_open_requests(tmp_path: Path) -> None:
    async with puppet(tmp_path) as (said, engine, ear):
        await engine.open(ear)
        await engine.watch([ONE], {})
        asking = asyncio.create_task(engine.start("one"))
        await until(lambda: any(request.method == "start" for request in said.requests))
        await engine.close()
        with pytest.raises(RuntimeUnreachable):
            await asking


async def test_product_runs_on_the_runtime_it_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with puppet(tmp_path / "a") as (first, _, _), puppet(tmp_path / "b") as (second, _, _):
        ways = (
            UnixTransport(tmp_path / "a" / "s", "a"),
            UnixTransport(tmp_path / "b" / "s", "b"),
            UnixTransport(tmp_path / "c", "c"),
        )
        engine, ear = SupervisedEngine(*ways), Ear()
        now = "2026-11-23T00:00:00+00:00"
        first.answers["snapshot"] = [{"product": "one", "at": now}]
        second.answers["snapshot"] = [{"product": "two", "at": now}]
        await engine.open(ear)
        others = [
            Product("two", "/two", runtime="b"),
            Product("three", "/three", runtime="c"),
            Product("four", "/4", runtime="x"),
        ]
        await engine.watch([ONE, *others], {})
        await ear.up(2)
        snapshots = await engine.snapshot()
        troubles = [snapshot.trouble.code if snapshot.trouble else None for snapshot in snapshots]
        assert [snapshot.product for snapshot in snapshots] == ["one", "two", "three", "four"]
        assert troubles == [None, None, "unreachable", "not_found"]
        assert {info.name for info in engine.runtimes()} == {"a", "b"}
        with pytest.raises(EngineError, match="does not exist"):
            await engine.start("four")
        with pytest.raises(RuntimeUnreachable):
            await engine.snapshot(["three"])
        await engine.close()


# Docker


def framed(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=8), st.lists(st.integers(1, 30), max_size=40)
)
def test_exec_frames_may_be_split_anywhere(chunks: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream, demux, out = b"".join(framed(*chunk) for chunk in chunks), Demux(), b""
    for size in cuts:
        out += demux.feed(stream[:size])
        stream = stream[size:]
    out += demux.feed(stream)
    assert out == b"".join(payload for number, payload in chunks if number == 1)


class FakeDocker:
    """Docker's client with one container and an exec that is a pair of sockets."""

    def __init__(self, state: Mapping[str, Any], end: Any = None) -> None:
        self.api, self.state, self.end = self, state, end
        self.closed = 0
        self.asked: dict[str, Any] = {}

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {"Id": f"id-of-{name}", "State": self.state}

    def exec_create(self, container: str, argv: list[str], **options: Any) -> dict[str, str]:
        self.asked = {"container": container, "argv": argv, **options}
        return {"Id": "exec-1"}

    def exec_start(self, exec_id: str, socket: bool) -> Any:
        return self.end

    def close(self) -> None:
        self.closed += 1


class Blocking:
    """A socket that asyncio cannot take over, as those of TLS and ssh are."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def recv(self, size: int) -> bytes:
        return self.end.recv(size)

    def sendall(self, data: bytes) -> None:
        self.end.sendall(data)

    def shutdown(self, how: int) -> None:
        self.end.shutdown(how)

    def close(self) -> None:
        self.end.close()


@pytest.mark.parametrize("wrap", [lambda end: end, Blocking], ids=["asyncio", "thread"])
async def test_channel_works_over_docker_exec(wrap: Callable[[socket.socket], Any]) -> None:
    near, far = socket.socketpair()
    hello = threading.Thread(target=greeting, args=(far,), daemon=True)
    hello.start()
    client = FakeDocker({"Status": "running", "Running": True, "Health": {"Status": "healthy"}}, wrap(near))
    engine, ear = SupervisedEngine(DockerTransport(client=lambda host: client)), Ear()
    await engine.open(ear)
    await engine.watch([ONE], {})
    await ear.up(1)
    assert engine.runtimes()[0].kind == "docker"
    assert client.asked["user"] == "agent"
    assert client.asked["argv"] == list(docker.ATTACH)
    await engine.close()
    assert client.closed == 1
    far.close()
    hello.join(10)


def greeting(end: socket.socket) -> None:
    """Answer inside the container with a hello and then empty results. The frames arrive in pieces."""
    decoder = Decoder()
    with suppress(OSError):  # the client may disconnect in the middle of an answer
        while data := end.recv(65536):
            hello = {"protocol": PROTOCOL, "boot": "b", "life": "l", "engine": "0.11.0"}
            asked = [message for message in decoder.feed(data) if isinstance(message, Request)]
            lines = b"".join(encode(Response(each.id, hello if each.method == "hello" else {})) for each in asked)
            stream = framed(2, b"a warning\n") + framed(1, lines[:20]) + framed(1, lines[20:])
            for start in range(0, len(stream), 7):
                end.sendall(stream[start : start + 7])


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"Status": "exited", "Running": False, "ExitCode": 137}, r"is not running \(exited, exit code 137\)"),
        ({"Status": "created", "Running": False, "ExitCode": 0}, r"is not running \(created"),
        ({"Status": "paused", "Running": True, "Paused": True}, "is paused"),
        ({"Status": "restarting", "Running": True}, "keeps restarting"),
        (
            {"Status": "running", "Running": True, "Health": {"Status": "unhealthy", "Log": [{"Output": "no supervisor\n"}]}},
            "is unhealthy: no supervisor",
        ),
    ],
)
async def test_container_that_cannot_be_entered_has_its_own_error(state: Mapping[str, Any], words: str) -> None:
    client = FakeDocker(state)
    with pytest.raises(RuntimeUnreachable, match=words) as caught:
        await DockerTransport(client=lambda host: client).open()
    assert "docker" in caught.value.hint
    assert client.closed == 1


async def test_missing_container_and_missing_docker_have_different_errors() -> None:
    from docker.errors import DockerException, NotFound

    class Without(FakeDocker):
        def inspect_container(self, name: str) -> dict[str, Any]:
            raise NotFound("No such container")

    with pytest.raises(RuntimeUnreachable, match="There is no container fleet-1 on the Docker host tcp://far"):
        await DockerTransport("fleet-1", host="tcp://far", client=lambda host: Without({})).open()

    def none(host: str | None) -> Any:
        raise DockerException("Error while fetching server API version: no such file")

    with pytest.raises(RuntimeUnreachable, match="Docker does not answer on this Docker host"):
        await DockerTransport(client=none).open()


async def test_last_line_of_an_exec_is_in_the_error() -> None:
    near, far = socket.socketpair()
    far.sendall(framed(2, b"No supervisor answers on /run/fleet/supervisor.sock: Connection refused.\n"))
    far.shutdown(socket.SHUT_WR)
    client = FakeDocker({"Status": "running", "Running": True}, near)
    engine, ear = SupervisedEngine(DockerTransport(client=lambda host: client)), Ear()
    await engine.open(ear)
    await until(lambda: ear.of(RuntimeDown))
    assert "No supervisor answers" in ear.of(RuntimeDown)[0].reason
    await engine.close()
    far.close()


def test_ssh_command_is_quoted() -> None:
    argv = ssh.command("ssh://ana@far:2222", ("docker", "exec", "a; rm -rf /"))
    assert argv[0] == "ssh"
    assert argv[-5:] == ("-p", "2222", "--", "ana@far", "docker exec 'a; rm -rf /'")
    for host in ("ssh://-oProxyCommand=x", "ssh://", "ssh://far:notaport", "ssh://-x@far"):
        with pytest.raises(RuntimeUnreachable, match="Not an address"):
            ssh.command(host, ("docker",))


async def test_channel_works_over_ssh(yard: Yard) -> None:
    supervisor, product = yard.supervisor(), yard.product("one")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.supervisor", "--attach", str(supervisor.socket)),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    class Far(Transport):
        name, kind = "far", "docker"

        async def open(self) -> Line:
            return ssh.SshLine(process)

    engine, ear = await yard.engine(Far(), product)
    await ear.up(1)
    await engine.start("one")
    await engine.close()
    assert process.returncode is not None


async def test_last_line_of_a_remote_command_is_in_the_error() -> None:
    pipe = asyncio.subprocess.PIPE
    argv = ("sh", "-c", "echo 'Error: No such container: overstory-runtime' >&2; exit 1")
    line = ssh.SshLine(await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe))
    with pytest.raises(ConnectionError, match="No such container"):
        await line.read()
    await line.close()
