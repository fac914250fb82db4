"""What programs and the page send: JSON of a known shape, read strictly; what is wrong with it is said in words."""

from typing import Annotated, Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.chat.web.refusals import Refused
from bot.chat.web.site import SITE
from bot.domain.errors import UsageError

LONGEST_TEXT = 50_000
"""Characters of one message."""
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
"""A client's own id of what it sends: the same id is handled once."""


class Body(BaseModel):
    """Base: unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Body):
    """Something said."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")
    conversation: str = "main"
    id: Id | None = None


class Answer(Body):
    """A decision on a gate, bound to what was shown where `revision` or `digest` says so."""

    choice: str = Field(min_length=1, max_length=200)
    note: str = ""
    revision: int | None = None
    digest: str | None = None


class ShownGate(Body):
    """A gate as it was shown."""

    id: str = Field(min_length=1, max_length=40)
    revision: int | None = None
    digest: str | None = None


class Answers(Body):
    """One decision on several gates, each bound to what was shown."""

    gates: list[ShownGate] = Field(min_length=1, max_length=200)
    choice: str = Field(min_length=1, max_length=200)
    note: str = ""


class Stop(Body):
    """Stop the turn in a conversation."""

    conversation: str = "main"


class SocketMessage(Message):
    """`{"type": "message"}` on the WebSocket."""

    type: Literal["message"]


class SocketAnswer(Answer):
    """`{"type": "decision"}` on the WebSocket."""

    type: Literal["decision"]
    gate: str
    id: Id | None = None


class SocketStop(Stop):
    """`{"type": "stop"}` on the WebSocket."""

    type: Literal["stop"]


class Subscribe(Body):
    """`{"type": "subscribe"}`: hear of these conversations only; of all, without a list."""

    type: Literal["subscribe"]
    conversations: list[str] | None = Field(None, max_length=200)


class Ping(Body):
    """`{"type": "ping"}`: is the connection alive? Answered with `pong`."""

    type: Literal["ping"]


Said = Annotated[SocketMessage | SocketAnswer | SocketStop | Subscribe | Ping, Field(discriminator="type")]
SAID: TypeAdapter[SocketMessage | SocketAnswer | SocketStop | Subscribe | Ping] = TypeAdapter(Said)
OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
Shape = TypeVar("Shape")


async def body(request: web.Request) -> bytes:
    """The request's body, which has to call itself JSON. Raises Refused; of one that is too large the journal tells."""
    if request.content_type != "application/json":
        raise Refused(
            415, "wrong_content_type", "The body is not called JSON.", "Send it with “Content-Type: application/json”."
        )
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        site = request.app[SITE]
        site.fleet.record("refused", site.person().name, None, request.path[:200], {"why": "too large", "platform": "web"})
        raise


def parsed(shape: TypeAdapter[Shape], text: bytes | str) -> Shape:
    """What was sent, as its shape. Raises UsageError naming each thing that is wrong."""
    try:
        return shape.validate_json(text)
    except ValidationError as error:
        wrong = [_wrong(each["loc"], each["msg"]) for each in error.errors(include_url=False, include_input=False)]
        raise UsageError(
            f"That cannot be read: {'; '.join(wrong[:5])}.", "See docs/reference.md for its shape.", code="malformed"
        ) from None


MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
ANSWERS: TypeAdapter[Answers] = TypeAdapter(Answers)
STOP: TypeAdapter[Stop] = TypeAdapter(Stop)


def _wrong(where: tuple[int | str, ...], what: str) -> str:
    place = ".".join(map(str, where))
    return f"{place}: {what[:200]}" if place else what[:200]
