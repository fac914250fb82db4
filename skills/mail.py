"""Show the mail that a product's agents wrote to each other and to people, or send a message to one agent.

Use it to find out what happened and why: the newest messages first, one agent's with `agent`, or one in full by its id.
With `to` and a text it sends that text to an agent (operators only). To request work use spawn; to ask a question use ask.
"""

from typing import TYPE_CHECKING, Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.domain import LEAD, Mail, access
from bot.domain.errors import NotAllowed, NotFound, UsageError
from bot.gates.lifecycle import decides_nothing, plain_title
from bot.text.quoting import quoted
from bot.text.wording import count, shortened, since
from bot.work.sessions import mark, session, take_slot_to_wake

if TYPE_CHECKING:
    from bot.fleet import Fleet

FAR = 2000
"""Number of recent messages searched for one message or one agent."""


class Args(SkillArgs):
    """Arguments of `mail`."""

    product: str = words(description="Name of the product.")
    text: str | None = words(
        None, rest=True, max_length=20_000, description="Id of one message to read; with --to, the text to send."
    )
    agent: str | None = option(None, description="Only mail this agent sent or received.")
    to: str | None = option(None, description="Send the text to this agent: coordinator, or a name that status shows.")
    limit: int = option(20, ge=1, le=200, description="Maximum number of messages, newest first; from 1 to 200.")


@skill(
    role=Role.VIEWER,
    summary="Show a product's mail, or send a message with --to.",
    examples=["mail product-a", "mail product-a --agent scout-w3", "mail product-a --to coordinator keep the old API"],
    synonyms="send messages",
    hints="inbox wrote write said",
)
async def mail(args: Args, context: SkillContext) -> SkillResult:
    """Read the product's mail, or send a message."""
    fleet, name = context.fleet, context.fleet.product(args.product).name
    if args.to:
        return await _send(args, name, context)
    if args.text:
        return _one(fleet, name, args.text)
    found = [each for each in fleet.store.mail.newest(name, FAR if args.agent else args.limit) if _concerns(each, args.agent)]
    found = found[: args.limit]
    who = f" of {args.agent}" if args.agent else ""
    lines = [
        f"**{name}**, {count(len(found), 'message')}{who}, newest first",
        "",
        *(f"- {_line(each, fleet)}" for each in found),
    ]
    text = "\n".join(lines) if found else f"**{name}** has no mail{who} yet."
    return SkillResult(text, data={"product": name, "mail": [_json(each) for each in found]}, table=_table(found, fleet))


def _one(fleet: "Fleet", product: str, id: str) -> SkillResult:
    found = next((each for each in fleet.store.mail.newest(product, FAR) if each.id == id), None)
    if found is None and len(id.split()) > 1:
        raise UsageError(
            "The recipient is missing: a text needs `--to`.",
            f"To send it, run `/fleet mail {product} --to coordinator {shortened(id, 80)}`.",
        )
    if found is None:
        raise NotFound(f"{product} has no message “{id[:60]}”.", f"Run `/fleet mail {product}` to list the newest messages.")
    text = f"{_line(found, fleet)}\n\n{quoted(found.body)}"
    return SkillResult(text, data={"product": product, "mail": [_json(found)]})


async def _send(args: Args, product: str, context: SkillContext) -> SkillResult:
    fleet = context.fleet
    if reason := access.may(context.person, Role.OPERATOR, product):
        raise NotAllowed(reason)
    if not args.text or not args.to:
        raise UsageError("The text to send is missing.", f"Run `/fleet mail {product} --to {args.to} TEXT`.")
    decides_nothing(args.text)
    if args.to == LEAD:
        take_slot_to_wake(fleet, product)
    else:
        session(fleet, product, args.to)
    context.progress(f"mailing {args.to}")
    marker = mark("m", context.request, fleet.store.origin)
    body = f"{args.text}\n\n---\nFrom {context.person.name}, through the fleet."
    id = await fleet.engine.send(product, shortened(args.text, 90), body, marker=marker, to=args.to)
    fleet.store.threads.bind(product, id, context.conversation, None)
    return SkillResult(f"**{product}**: sent to {args.to}.", data={"product": product, "sent": id, "to": args.to})


def _concerns(mail: Mail, agent: str | None) -> bool:
    return agent is None or agent in (mail.sender, mail.recipient)


def _line(mail: Mail, fleet: "Fleet") -> str:
    ago = since(mail.created_at, fleet.now())
    return f"`{mail.id}` {ago} ago, {mail.sender} → {mail.recipient}, {mail.label}: {shortened(plain_title(mail.subject), 100)}"


def _table(found: list[Mail], fleet: "Fleet") -> Table:
    rows = tuple(
        (
            each.id,
            since(each.created_at, fleet.now()),
            each.sender,
            each.recipient,
            each.label,
            shortened(plain_title(each.subject), 80),
        )
        for each in found
    )
    return Table(("mail", "age", "from", "to", "type", "subject"), rows)


def _json(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "from": mail.sender,
        "to": mail.recipient,
        "type": mail.label,
        "priority": mail.priority,
        "subject": mail.subject,
        "body": mail.body,
        "thread": mail.thread,
        "at": mail.created_at.isoformat(),
    }
