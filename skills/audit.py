"""Show the audit journal, newest first: events, decisions, commands, work and refusals.

Use it to find out who approved, started, stopped or requested something, when and where. `--verify` checks that no row was
changed or removed.
"""

from datetime import datetime
from typing import Any

from bot.commands.skill import Role, SkillArgs, SkillContext, SkillResult, Table, option, skill, words
from bot.text.wording import count, shortened, since


class Args(SkillArgs):
    """Arguments of `audit`."""

    about: str | None = words(None, description="Id of a gate or of work (g7, w12), or name of a product.")
    person: str | None = option(None, description="Only rows of this person.")
    kind: str | None = option(
        None, description="Only rows of this kind: event, skill, decision, gate, work, refused, engine, pause, adopt …"
    )
    limit: int = option(20, ge=1, le=500, description="Maximum number of rows.")
    verify: bool = option(False, description="Check the whole journal for changes instead.")


@skill(
    reads=True,
    role=Role.ADMIN,
    summary="Show who did what and when, or verify the journal.",
    examples=["audit", "audit g7", "audit product-a --kind decision", "audit --verify"],
)
async def audit(args: Args, context: SkillContext) -> SkillResult:
    """Return rows of the journal, or the result of verifying it."""
    if args.verify:
        return _verified(context)
    fleet, about = context.fleet, args.about
    product = next((name for name in fleet.products if about and name.lower() == about.lower()), None)
    found = fleet.store.audit.found(
        limit=args.limit, kind=args.kind, person=args.person, product=product, subject=None if product else about
    )
    text = f"**{count(len(found), 'row')}** of the journal, newest first\n\n"
    text += "\n".join(f"- {since(_at(row), fleet.now())} ago · {row['person']} · {_said(row)}" for row in found)
    if not found:
        text = "No matching rows in the journal."
    rows = tuple((str(row["n"]), f"{_at(row):%Y-%m-%d %H:%M:%S}", row["person"], *_said_in_parts(row)) for row in found)
    return SkillResult(text, data={"audit": found}, table=Table(("row", "at (UTC)", "who", "what", "about", "detail"), rows))


def _verified(context: SkillContext) -> SkillResult:
    verdict = context.fleet.store.audit.verify()
    data = {"rows": verdict.rows, "broken": verdict.broken, "why": verdict.why, "head": verdict.head}
    rows = count(verdict.rows, "row")
    if verdict.broken is None:
        text = f"The journal is intact: {rows}, each linked to the previous one. The newest hash is `{verdict.head}`."
        return SkillResult(text, data=data)
    text = f"**The journal was changed at row {verdict.broken}:** {verdict.why}. The {rows} before it are intact."
    return SkillResult(f"{text} Compare it with an earlier backup of the state folder.", data=data)


def _at(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["at"])


def _said(row: dict[str, Any]) -> str:
    kind, about, detail = _said_in_parts(row)
    return " · ".join(part for part in (f"**{kind}**", f"`{about}`" if about else "", detail) if part)


def _said_in_parts(row: dict[str, Any]) -> tuple[str, str, str]:
    known = {name: value for name, value in row["detail"].items() if value not in (None, "", [], {}, False)}
    detail = ", ".join(f"{name.replace('_', ' ')}: {_brief(value)}" for name, value in known.items())
    return row["kind"], row["subject"], shortened(detail, 160)


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        value = " ".join(f"{name}={inner}" for name, inner in value.items())
    elif isinstance(value, list):
        value = ", ".join(map(str, value))
    return shortened("yes" if value is True else str(value), 80)
