"""Checks of blocks and views for the structure, lengths, counts, enums and names that Slack accepts.

The rules come from the published reference and from reports of users. `message_problems` and `view_problems` return every
problem in the order of the blocks. Slack would report the first. No I/O.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = Any
Check = Callable[[Value, str], Iterator[str]]
MOST_TEXT = 13_000
"""Characters of all blocks in one message, beyond which Slack refuses it."""
MOST_MARKDOWN = 12_000
MOST_TABLE = 10_000


@dataclass(frozen=True)
class Shape:
    """An object with the check of each key, and its required keys."""

    keys: Mapping[str, Check]
    required: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    """Keys of which at least one is required."""

    def check(self, value: Value, at: str) -> Iterator[str]:
        """Return the problems of a value with this shape."""
        if not isinstance(value, dict):
            yield f"{at}: must be an object"
            return
        for key in sorted(set(value) - set(self.keys)):
            yield f"{at}.{key}: no such key"
        for key in self.required:
            if key not in value:
                yield f"{at}.{key}: missing"
        if self.either and not any(key in value for key in self.either):
            yield f"{at}: needs one of {', '.join(self.either)}"
        for key, inner in value.items():
            if key in self.keys:
                yield from self.keys[key](inner, f"{at}.{key}")


def string(most: int, least: int = 0) -> Check:
    """Return a check for a text of this length."""

    def check(value: Value, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield f"{at}: must be a string"
        elif not least <= len(value) <= most:
            yield f"{at}: must have {least} to {most} characters, has {len(value)}"

    return check


def one_of(*values: Value) -> Check:
    """Return a check for one of these values."""

    def check(value: Value, at: str) -> Iterator[str]:
        if value not in values:
            yield f"{at}: must be one of {', '.join(map(str, values))}"

    return check


def boolean(value: Value, at: str) -> Iterator[str]:
    """Check for true or false."""
    if not isinstance(value, bool):
        yield f"{at}: must be true or false"


def number(least: float = -1e18, most: float = 1e18) -> Check:
    """Return a check for a number in this range."""

    def check(value: Value, at: str) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            yield f"{at}: must be a number from {least:g} to {most:g}"

    return check


def array(each: Check, least: int, most: int) -> Check:
    """Return a check for a list of this length."""

    def check(value: Value, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{at}: must be a list"
            return
        if not least <= len(value) <= most:
            yield f"{at}: must have {least} to {most} items, has {len(value)}"
        for place, item in enumerate(value):
            yield from each(item, f"{at}.{place}")

    return check


def tagged(kinds: Mapping[str, Shape], what: str, tag: str = "type") -> Check:
    """Return a check for an object whose `type` selects its shape."""

    def check(value: Value, at: str) -> Iterator[str]:
        kind = value.get(tag) if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            yield f"{at}: {kind!r} is no {what} that may stand here"
        else:
            yield from kinds[kind].check(value, at)

    return check


def either(*kinds: str) -> Callable[..., Check]:
    """Return a check for a text object of one of these types."""

    def made(most: int, least: int = 1) -> Check:
        words = string(most, least)
        shapes = {
            "plain_text": Shape({"type": string(20), "text": words, "emoji": boolean}, ("text",)),
            "mrkdwn": Shape({"type": string(20), "text": words, "verbatim": boolean}, ("text",)),
        }
        return tagged({kind: shapes[kind] for kind in kinds}, "text object")

    return made


plain = either("plain_text")
mrkdwn = either("mrkdwn")
text = either("plain_text", "mrkdwn")


def _kind(required: Sequence[str] = (), one: Sequence[str] = (), /, **keys: Check) -> Shape:
    return Shape({"type": string(60), **keys}, tuple(required), tuple(one))


CONFIRM = Shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30), "style": one_of("primary", "danger")},
    ("text",),
)
OPTION = Shape({"text": text(75), "value": string(150), "description": plain(75), "url": string(3000)}, ("text",))
GROUP = Shape({"label": plain(75), "options": array(OPTION.check, 1, 100)}, ("label", "options"))
SLACK_FILE = Shape({"id": string(255), "url": string(3000)}, either=("id", "url"))
ACT: Mapping[str, Check] = {"action_id": string(255, 1)}
CONFIRMED: Mapping[str, Check] = {**ACT, "confirm": CONFIRM.check}
ASKED: Mapping[str, Check] = {**CONFIRMED, "focus_on_load": boolean, "placeholder": plain(150)}
TYPED: Mapping[str, Check] = {
    **ACT,
    "focus_on_load": boolean,
    "placeholder": plain(150),
    "dispatch_action_config": Shape(
        {"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), 1, 2)}
    ).check,
}
STYLE = one_of("primary", "danger")
_IMAGE = _kind(("alt_text",), ("image_url", "slack_file"), alt_text=string(2000), image_url=string(3000),
               slack_file=SLACK_FILE.check)  # fmt: skip
_SELECT: Mapping[str, Check] = {**ASKED, "options": array(OPTION.check, 1, 100), "option_groups": array(GROUP.check, 1, 100)}
_MOST = {"max_selected_items": number(1)}
_FEEDBACK = Shape({"text": plain(75), "value": string(2000), "accessibility_label": string(75)}, ("text", "value"))
ELEMENTS: Mapping[str, Shape] = {
    "button": _kind(("text",), **CONFIRMED, text=plain(75), value=string(2000), url=string(3000), style=STYLE,
                    accessibility_label=string(75)),
    "checkboxes": _kind(("options",), **CONFIRMED, focus_on_load=boolean, options=array(OPTION.check, 1, 10),
                        initial_options=array(OPTION.check, 1, 10)),
    "radio_buttons": _kind(("options",), **CONFIRMED, focus_on_load=boolean, options=array(OPTION.check, 1, 10),
                           initial_option=OPTION.check),
    "overflow": _kind(("options",), **CONFIRMED, options=array(OPTION.check, 1, 5)),
    "datepicker": _kind(**ASKED, initial_date=string(10)),
    "timepicker": _kind(**ASKED, initial_time=string(5), timezone=string(60)),
    "datetimepicker": _kind(**CONFIRMED, focus_on_load=boolean, initial_date_time=number(0)),
    "image": _IMAGE,
    "static_select": _kind((), ("options", "option_groups"), **_SELECT, initial_option=OPTION.check),
    "multi_static_select": _kind((), ("options", "option_groups"), **_SELECT, **_MOST,
                                 initial_options=array(OPTION.check, 1, 100)),
    "users_select": _kind(**ASKED, initial_user=string(40)),
    "multi_users_select": _kind(**ASKED, **_MOST, initial_users=array(string(40), 1, 100)),
    "channels_select": _kind(**ASKED, initial_channel=string(40), response_url_enabled=boolean),
    "conversations_select": _kind(**ASKED, initial_conversation=string(40), default_to_current_conversation=boolean,
                                  response_url_enabled=boolean),
    "external_select": _kind(**ASKED, min_query_length=number(0), initial_option=OPTION.check),
    "plain_text_input": _kind(**TYPED, initial_value=string(3000), multiline=boolean, min_length=number(0, 3000),
                              max_length=number(1, 3000)),
    "email_text_input": _kind(**TYPED, initial_value=string(3000)),
    "url_text_input": _kind(**TYPED, initial_value=string(3000)),
    "number_input": _kind(("is_decimal_allowed",), **TYPED, is_decimal_allowed=boolean, initial_value=string(60),
                          min_value=string(60), max_value=string(60)),
    "file_input": _kind(**ACT, filetypes=array(string(20), 1, 50), max_files=number(1, 10)),
    "feedback_buttons": _kind(("positive_button", "negative_button"), **ACT, positive_button=_FEEDBACK.check,
                              negative_button=_FEEDBACK.check),
    "icon_button": _kind(("icon", "text"), **CONFIRMED, icon=one_of("trash"), text=plain(75), value=string(2000),
                         accessibility_label=string(75), visible_to_user_ids=array(string(40), 1, 100)),
}  # fmt: skip
"""Interactive elements."""


def element(*kinds: str) -> Check:
    """Return a check for one of these elements."""
    return tagged({kind: ELEMENTS[kind] for kind in kinds}, "element")


LOOK = {"style": Shape(dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight"), boolean)).check}
_WORDS = _kind(("text",), **LOOK, text=string(12_000, 1))
_LINK = _kind(("url",), **LOOK, url=string(3000, 1), text=string(12_000), unsafe=boolean)
RICH: Mapping[str, Shape] = {
    "text": _WORDS,
    "link": _LINK,
    "emoji": _kind(("name",), **LOOK, name=string(100), unicode=string(100), url=string(3000)),
    "user": _kind(("user_id",), **LOOK, user_id=string(40)),
    "usergroup": _kind(("usergroup_id",), **LOOK, usergroup_id=string(40)),
    "channel": _kind(("channel_id",), **LOOK, channel_id=string(40)),
    "broadcast": _kind(("range",), **LOOK, range=one_of("here", "channel", "everyone")),
    "date": _kind(("timestamp", "format"), **LOOK, timestamp=number(0), format=string(200), url=string(3000),
                  fallback=string(200)),
}  # fmt: skip
_RUN = array(tagged(RICH, "rich text"), 0, 1000)
_PART = _kind(("elements",), elements=_RUN)
_EDGE = {"border": one_of(0, 1)}
RICH_PARTS: Mapping[str, Shape] = {
    "rich_text_section": _PART,
    "rich_text_quote": _kind(("elements",), **_EDGE, elements=_RUN),
    "rich_text_preformatted": _kind(
        ("elements",), **_EDGE, elements=array(tagged({"text": _WORDS, "link": _LINK}, "preformatted text"), 0, 1000)
    ),
    "rich_text_list": _kind(
        ("elements", "style"),
        **_EDGE,
        elements=array(tagged({"rich_text_section": _PART}, "list item"), 1, 1000),
        style=one_of("bullet", "ordered"),
        indent=number(0, 8),
        offset=number(0),
    ),
}
RICH_TEXT = _kind(("elements",), block_id=string(255), elements=array(tagged(RICH_PARTS, "part of rich text"), 1, 1000))
CELLS: Mapping[str, Shape] = {
    "raw_text": _kind(("text",), text=string(MOST_TABLE, 1)),
    "raw_number": _kind(("text", "value"), text=string(200, 1), value=number()),
    "rich_text": RICH_TEXT,
}
COLUMN = Shape({"align": one_of("left", "center", "right"), "is_wrapped": boolean})
SOURCE = _kind(("url", "text"), url=string(3000), text=string(300))
_PRESSED = ("button", "checkboxes", "datepicker", "datetimepicker", "overflow", "radio_buttons", "static_select", "timepicker",
            "multi_static_select", "users_select", "multi_users_select", "channels_select", "conversations_select",
            "external_select")  # fmt: skip
_FILLED = (*_PRESSED, "plain_text_input", "email_text_input", "url_text_input", "number_input", "file_input")


def _block(required: Sequence[str] = (), one: Sequence[str] = (), /, **keys: Check) -> Shape:
    return _kind(required, one, block_id=string(255), **keys)


_TASK = _block(("task_id", "title", "status"), task_id=string(255, 1), title=string(300, 1), details=RICH_TEXT.check,
               output=RICH_TEXT.check, sources=array(SOURCE.check, 0, 50),
               status=one_of("pending", "in_progress", "complete", "error"))  # fmt: skip
BLOCKS: Mapping[str, Shape] = {
    "section": _block((), ("text", "fields"), text=text(3000), fields=array(text(2000), 1, 10), expand=boolean,
                      accessory=element(*(each for each in _PRESSED), "image")),
    "header": _block(("text",), text=plain(150)),
    "divider": _block(),
    "context": _block(("elements",), elements=array(
        tagged({"image": _IMAGE, "plain_text": _kind(("text",), text=string(3000, 1), emoji=boolean),
                "mrkdwn": _kind(("text",), text=string(3000, 1), verbatim=boolean)}, "context element"), 1, 10)),
    "actions": _block(("elements",), elements=array(element(*_PRESSED), 1, 25)),
    "context_actions": _block(("elements",), elements=array(element("feedback_buttons", "icon_button"), 1, 5)),
    "image": _block(("alt_text",), ("image_url", "slack_file"), alt_text=string(2000), image_url=string(3000),
                    slack_file=SLACK_FILE.check, title=plain(2000)),
    "input": _block(("label", "element"), label=plain(2000), hint=plain(2000), optional=boolean, dispatch_action=boolean,
                    element=element(*(each for each in _FILLED if each not in {"button", "overflow"}))),
    "markdown": _block(("text",), text=string(MOST_MARKDOWN, 1)),
    "rich_text": RICH_TEXT,
    "table": _block(("rows",), rows=array(array(tagged(CELLS, "cell"), 1, 20), 1, 100),
                    column_settings=array(COLUMN.check, 1, 20)),
    "task_card": _TASK,
    "plan": _block(("title",), title=string(300, 1), tasks=array(tagged({"task_card": _TASK}, "task"), 0, 50)),
    "alert": _block(("text",), text=text(200), level=one_of("default", "info", "warning", "error", "success")),
}  # fmt: skip
"""Blocks that the bot may use. Slack knows more."""
ONLY_MESSAGES = frozenset({"markdown", "table", "task_card", "plan", "context_actions", "alert"})
ONLY_VIEWS = frozenset({"input"})


def message_problems(blocks: Value) -> list[str]:
    """Return the problems of a message's blocks."""
    found = [*array(tagged(BLOCKS, "block"), 0, 50)(blocks, "blocks")]
    if found or not isinstance(blocks, list):
        return found
    found += [f"blocks: {each['type']} may not stand in a message" for each in blocks if each["type"] in ONLY_VIEWS]
    markdown = sum(len(each["text"]) for each in blocks if each["type"] == "markdown")
    if markdown > MOST_MARKDOWN:
        found.append(f"blocks: markdown blocks have {markdown} characters together, {MOST_MARKDOWN} is the most")
    if sum(each["type"] == "table" for each in blocks) > 1:
        found.append("blocks: only one table is allowed in a message")
    found += [*_tables(blocks), *_twice(blocks)]
    if (size := sum(map(len, texts(blocks)))) > MOST_TEXT:
        found.append(f"msg_blocks_too_long: {size} characters in total")
    return found


def view_problems(view: Value) -> list[str]:
    """Return the problems of a view."""
    if not isinstance(view, dict) or view.get("type") not in VIEWS:
        return ["view.type: must be modal or home"]
    found = [*VIEWS[view["type"]].check(view, "view")]
    if found:
        return found
    blocks = view["blocks"]
    found += [f"view.blocks: {each['type']} may not stand in a view" for each in blocks if each["type"] in ONLY_MESSAGES]
    if view["type"] == "modal" and "submit" not in view and any(each["type"] == "input" for each in blocks):
        found.append("view.submit: missing, though there are inputs")
    return [*found, *_twice(blocks)]


_VIEW: Mapping[str, Check] = {
    "type": string(20),
    "blocks": array(tagged(BLOCKS, "block"), 0, 100),
    "private_metadata": string(3000),
    "callback_id": string(255),
    "external_id": string(255),
}
VIEWS: Mapping[str, Shape] = {
    "home": Shape(_VIEW, ("blocks",)),
    "modal": Shape(
        {**_VIEW, "title": plain(24), "submit": plain(24), "close": plain(24), "clear_on_close": boolean,
         "notify_on_close": boolean},
        ("blocks", "title"),
    ),
}  # fmt: skip


def elements(blocks: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return every interactive element."""
    for block in blocks:
        inner = [*block.get("elements", ()), block.get("accessory"), block.get("element")]
        yield from (each for each in inner if isinstance(each, dict) and each.get("type") in ELEMENTS)


def texts(value: Value) -> Iterator[str]:
    """Return every visible text at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in {"text", "title", "alt_text"} and isinstance(inner, str):
                yield inner
            else:
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def _tables(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "table":
            size = sum(map(len, texts(block["rows"])))
            if size > MOST_TABLE:
                yield f"blocks: a table has {size} characters, {MOST_TABLE} is the most"
            if len({len(row) for row in block["rows"]}) > 1:
                yield "blocks: the rows of a table must have the same number of cells"


def _twice(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    named: dict[str, list[str]] = _names(blocks)
    for what, names in named.items():
        for name, times in Counter(names).items():
            if times > 1:
                yield f"{what}: {name!r} is used {times} times"


def _names(blocks: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the names that must be unique in one message or view."""
    return {
        "block_id": [each["block_id"] for each in blocks if each.get("block_id")],
        "action_id": [each["action_id"] for each in elements(blocks) if each.get("action_id")],
    }
