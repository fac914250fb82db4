"""Strict reading of the JSON that programs and the page send, and of the messages in it."""

import uuid
from typing import Annotated, Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.chat.web.channels import PREFIX, to_conversation
from bot.chat.web.context import CONTEXT, Context
from bot.chat.web.errors import Refused
from bot.domain import Inbound
from bot.domain.errors import UsageError

LONGEST_TEXT = 50_000
"""Characters of one message."""
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
"""Client's own id of a message. A repeated id is handled once."""


class Body(BaseModel):
    """Base of every body. Unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Message(Body):
    """A message from a person."""

    text: str = Field(min_length=1, max_length=LONGEST_TEXT, pattern=r"\S")
    conversation: str = "main"
    id: Id | None = None


class Answer(Body):
    """A decision on a gate, bound to the text shown where `revision` or `digest` is given."""

    choice: str = Field(min_length=1, max_length=200)
    note: str = ""
    revision: int | None = None
    digest: str | None = None


class ShownGate(Body):
    """A reference to a gate as it was shown."""

    id: str = Field(min_length=1, max_length=40)
    revision: int | None = None
    digest: str | None = None


class Answers(Body):
    """One decision on several gates, each bound to the text shown."""

    gates: list[ShownGate] = Field(min_length=1, max_length=200)
    choice: str = Field(min_length=1, max_length=200)
    note: str = ""


class Stop(Body):
    """A request to stop the turn of a conversation."""

    conversation: str = "main"


class SocketMessage(Message):
    """A message on the WebSocket."""

    type: Literal["message"]


class SocketAnswer(Answer):
    """A decision on the WebSocket."""

    type: Literal["decision"]
    gate: str
    id: Id | None = None


class SocketStop(Stop):
    """A stop on the WebSocket."""

    type: Literal["stop"]


class Subscribe(Body):
    """Request to receive the messages of these conversations only, or of all without a list."""

    type: Literal["subscribe"]
    conversations: list[str] | None = Field(None, max_length=200)


class Ping(Body):
    """Check that the connection is alive, answered with `pong`."""

    type: Literal["ping"]


SocketInput = Annotated[SocketMessage | SocketAnswer | SocketStop | Subscribe | Ping, Field(discriminator="type")]
SOCKET_INPUT: TypeAdapter[SocketMessage | SocketAnswer | SocketStop | Subscribe | Ping] = TypeAdapter(SocketInput)
OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
ANSWERS: TypeAdapter[Answers] = TypeAdapter(Answers)
STOP: TypeAdapter[Stop] = TypeAdapter(Stop)
Shape = TypeVar("Shape")


async def read_body(request: web.Request) -> bytes:
    """Return the JSON body of a request.

    Raises Refused for another content type. A body that is too large is recorded in the audit log.
    """
    if request.content_type != "application/json":
        raise Refused(415, "wrong_content_type", "The request body is not JSON.", "Send “Content-Type: application/json”.")
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        context = request.app[CONTEXT]
        detail = {"why": "too large", "platform": "web"}
        context.fleet.record("refused", context.person().name, None, request.path[:200], detail)
        raise


def parsed(shape: TypeAdapter[Shape], text: bytes | str) -> Shape:
    """Return the body as its shape. Raises UsageError that names each mistake."""
    try:
        return shape.validate_json(text)
    except ValidationError as error:
        wrong = [_wrong(each["loc"], each["msg"]) for each in error.errors(include_url=False, include_input=False)]
        message = f"Invalid request: {'; '.join(wrong[:5])}."
        raise UsageError(message, "See docs/reference.md for the expected shape.", code="malformed") from None


def to_inbound(message: Message, context: Context) -> Inbound:
    """Return a message as an event, of the product whose channel its conversation is.

    The event gets the client's id, or a new one.
    """
    conversation = to_conversation(message.conversation)
    products = context.fleet.registry.products
    return Inbound(
        event=f"{PREFIX}{message.id or uuid.uuid4().hex}",
        platform="web",
        conversation=conversation,
        person=context.person(),
        at=context.fleet.now(),
        text=message.text.strip(),
        product=next((each.name for each in products if conversation in map(str, each.channels)), None),
    )


def _wrong(path: tuple[int | str, ...], mistake: str) -> str:
    where = ".".join(map(str, path))
    return f"{where}: {mistake[:200]}" if where else mistake[:200]
