"""Button presses and submitted forms as decisions and commands. Pure."""

from dataclasses import dataclass
from typing import Any

from bot.chat.slack import to_card, to_form
from bot.chat.slack.to_message import SAY
from bot.domain import Press


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button press with its location, and the decision or command of the button."""

    user: str
    channel: str
    """Channel id, empty in App Home."""
    message: str
    thread: str
    at: str
    trigger: str
    response_url: str
    press: Press | None = None
    command: str = ""

    @property
    def event(self) -> str:
        """Event id, the same for every delivery."""
        return f"slack:press:{self.user}:{self.at}"


def pressed(body: dict[str, Any]) -> Pressed | None:
    """Return the first action of a payload. None for a link or an unknown button."""
    action: dict[str, Any] = next(iter(body.get("actions", ())), {})
    kind, value = str(action.get("action_id", "")).partition(":")[0], str(action.get("value") or "")
    press = to_card.to_press(value) if kind == to_card.ACTION else None
    command = value if kind == SAY else ""
    if press is None and not command:
        return None
    container = body.get("container", {})
    return Pressed(
        user=str(body["user"]["id"]),
        channel=str(body.get("channel", {}).get("id") or container.get("channel_id") or ""),
        message=str(container.get("message_ts") or ""),
        thread=str(container.get("thread_ts") or body.get("message", {}).get("thread_ts") or ""),
        at=str(action.get("action_ts", "")),
        trigger=str(body.get("trigger_id", "")),
        response_url=str(body.get("response_url") or ""),
        press=press,
        command=command,
    )


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted form with its author and origin, and the decision or command in it."""

    user: str
    view: str
    origin: dict[str, str]
    press: Press | None = None
    command: str = ""
    problems: dict[str, str] | None = None
    """Errors by field. A form with errors stays open."""

    @property
    def event(self) -> str:
        """Event id, the same for every delivery."""
        return f"slack:form:{self.user}:{self.view}"


def submitted(body: dict[str, Any]) -> Submitted | None:
    """Return the contents of a form of this app. None for any other."""
    view = body["view"]
    user, id, origin = str(body["user"]["id"]), str(view.get("id", "")), to_form.origin_of(view)
    if view.get("callback_id") == to_form.DECISION:
        note = to_form.field_of(view, to_form.NOTE)
        press = to_card.to_press(origin.pop("press", ""), note)
        if press is None:
            return None
        needed = not note and press.choice in to_card.TAKES_NOTE - {"reject"}
        problems = {to_form.NOTE: "Enter a note."} if needed else None
        return Submitted(user, id, origin, press, problems=problems)
    if view.get("callback_id") == to_form.TASK:
        product, words = to_form.field_of(view, to_form.PRODUCT), to_form.field_of(view, to_form.OBJECTIVE)
        problems = {
            name: "This field is required."
            for name, text in ((to_form.PRODUCT, product), (to_form.OBJECTIVE, words))
            if not text
        }
        return Submitted(user, id, origin, command=f"/fleet spawn {product} -- {words}", problems=problems or None)
    return None
