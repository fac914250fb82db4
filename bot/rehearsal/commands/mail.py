"""Commands `mail send`, `check`, `list`, `read`, `reply` and `purge`."""

import json
import time

from bot.rehearsal.answers import Answer
from bot.rehearsal.call import Call
from bot.rehearsal.errors import EngineError, InvalidRequest, MailRefused
from bot.rehearsal.mail import PRIORITIES, Message
from bot.rehearsal.sessions import Session, SessionStore
from bot.rehearsal.times import iso

GROUPS = ("builder", "scout", "reviewer", "lead", "merger", "supervisor", "coordinator", "monitor")


def group(address: str, active: list[Session], sender: str) -> list[str]:
    """Return the agents behind a group address such as @all or @builders."""
    wanted = address.lower().removeprefix("@")
    others = [one for one in active if one.agent_name != sender]
    if wanted == "all":
        names, nobody = [one.agent_name for one in others], "sender excluded"
    elif wanted.removesuffix("s") in GROUPS:
        capability = wanted.removesuffix("s")
        names, nobody = [one.agent_name for one in others if one.capability == capability], f"no active {capability} agents"
    else:
        known = ", ".join(f"@{name}, @{name}s" for name in GROUPS)
        raise EngineError(f'Unknown group address: "{address}". Valid groups: @all, {known}')
    if not names:
        raise EngineError(f'Group address "{address}" resolved to zero recipients ({nobody})')
    return names


def refuse_terminal(sessions: SessionStore, recipient: str) -> None:
    """Refuse mail to an agent that has ended. Names without a session pass."""
    row = sessions.get(recipient)
    if row and not row.active:
        raise MailRefused(
            f'Recipient "{recipient}" is in terminal state ({row.state}); message not sent. '
            "The agent is no longer running, so this message would never be delivered."
        )


def send(call: Call) -> Answer:
    """Send mail to one agent or a group."""
    for name in ("--to", "--subject", "--body"):
        if call.get(name) is None:
            raise InvalidRequest(f"{name} is required for mail send")
    to, sender = call.get("--to") or "", call.get("--agent") or call.get("--from") or "orchestrator"
    kind, priority, payload = call.get("--type") or "status", call.get("--priority") or "normal", call.get("--payload")
    if kind not in call.dialect.mail_types:
        raise InvalidRequest(f'Invalid --type "{kind}". Must be one of: {", ".join(call.dialect.mail_types)}')
    if priority not in PRIORITIES:
        raise InvalidRequest(f'Invalid --priority "{priority}". Must be one of: {", ".join(PRIORITIES)}')
    if payload is not None:
        try:
            json.loads(payload)
        except ValueError as problem:
            raise InvalidRequest("--payload must be valid JSON") from problem
    with call.project.sessions() as sessions:
        if to.startswith("@"):
            recipients = group(to, sessions.active(), sender)
        else:
            if call.dialect.headless:
                refuse_terminal(sessions, to)
            recipients = [to]
    subject, body = call.get("--subject") or "", call.get("--body") or ""
    ids = [call.project.post(Message("", sender, one, subject, body, kind, priority, payload=payload)).id for one in recipients]
    if to.startswith("@"):
        return Answer("mail send", {"messageIds": ids, "recipientCount": len(ids)}, f"Broadcast sent to {len(ids)} (rehearsal)")
    return Answer("mail send", {"id": ids[0]}, f"Sent message {ids[0]} (rehearsal)")


def written(messages: list[Message]) -> str:
    """Return mail as text."""
    return "\n\n".join(
        f"{one.created_at} {one.id} {one.type} {one.from_agent} → {one.to_agent}: {one.subject}\n{one.body}" for one in messages
    )


def injected(messages: list[Message], program: str) -> str:
    """Return mail as a hook shows it to a model."""
    if not messages:
        return ""
    lines = [f"You have {len(messages)} new message{'' if len(messages) == 1 else 's'}:", ""]
    for one in messages:
        urgent = f" [{one.priority.upper()}]" if one.priority != "normal" else ""
        lines += [f"--- From: {one.from_agent}{urgent} ({one.type}) ---", f"Subject: {one.subject}", one.body]
        if one.payload and one.type not in ("decision_gate", "question", "status", "result", "error"):
            lines.append(f"Payload: {one.payload}")
        lines += [f'[Reply with: {program} mail reply {one.id} --body "..."]', ""]
    return "\n".join(lines)


def check(call: Call) -> Answer:
    """Show an inbox, oldest first, and mark it read."""
    with call.project.mail() as mail:
        unread = mail.take_unread(call.get("--agent") or "orchestrator")
    if call.has("--inject"):
        return Answer("mail check", text=injected(unread, call.dialect.program), plain=True)
    shown = [one.shape() for one in unread]
    return Answer("mail check", {"messages": shown}, written(unread) or "No new messages (rehearsal)", bare="messages")


def list_mail(call: Call) -> Answer:
    """List mail, newest first, without marking it."""
    kind = call.get("--type") if call.dialect.headless else None
    if kind and kind not in call.dialect.mail_types:
        raise InvalidRequest(f'Invalid --type "{kind}". Must be one of: {", ".join(call.dialect.mail_types)}')
    with call.project.mail() as mail:
        found = mail.find(
            from_agent=call.get("--from"),
            to_agent=call.get("--to") or call.get("--agent"),
            read=0 if call.has("--unread") else None,
            type=kind,
        )
    shown = [one.shape() for one in found]
    return Answer("mail list", {"messages": shown}, written(found) or "No messages found (rehearsal)", bare="messages")


def read(call: Call) -> Answer:
    """Mark a mail as read. Answers with text only."""
    with call.project.mail() as mail:
        message = mail.get(call.first)
        if message is None:
            raise MailRefused(f"Message not found: {call.first}")
        mail.mark_read([message.id])
    told = f"  Message {message.id} was already read" if message.read else f"Marked as read: {message.id}"
    return Answer("mail read", text=told, plain=True)


def reply(call: Call) -> Answer:
    """Answer a mail, also one of an agent that has ended."""
    sender = call.get("--agent") or call.get("--from") or "orchestrator"
    with call.project.mail() as mail:
        sent = mail.reply(call.first, call.get("--body") or "", sender)
    return Answer("mail reply", {"id": sent.id}, f"Reply sent: {sent.id} (rehearsal)")


def purge(call: Call) -> Answer:
    """Delete mail."""
    days, agent = call.get("--days"), call.get("--agent")
    if not call.has("--all") and days is None and agent is None:
        raise InvalidRequest("mail purge requires at least one filter: --all, --days <n>, or --agent <name>")
    if days is not None and (not days.isdigit() or int(days) == 0):
        raise InvalidRequest("--days must be a positive integer")
    before = iso(time.time() - int(days) * 86400) if days else None
    with call.project.mail() as mail:
        purged = mail.purge(everything=call.has("--all"), before=before, agent=agent)
    return Answer("mail purge", {"purged": purged}, f"Purged {purged} message(s) (rehearsal)")
