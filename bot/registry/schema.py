"""The shape of `products.yaml`: one class for each section, its fields with unit, range and default in their descriptions.

Sections that need no translation (`scheduling`, `runtimes`, `schedules`, `quiet_hours`, `agent`) are used as they are;
products, people, approvals and budgets become the values of `bot.domain`.
"""

import re
from dataclasses import replace
from datetime import datetime, time, timedelta
from os.path import expanduser, normpath
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from bot.domain import Approvals, Budget, ChannelRef, Person, Role
from bot.domain import recurrence as crons
from bot.registry.yamlmodel import Section, suggestion

PRIORITIES = ("critical", "high", "medium", "low")
"""Priorities of a product, most urgent first."""
PLATFORMS = ("slack", "discord", "web", "terminal", "whatsapp")
"""Platforms on which a person can be known."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHANNELS = {
    "slack": (re.compile(r"#[^\s#,A-Z]{1,80}|[CG][A-Z0-9]{2,}"), "slack:#name (lower case) or slack:C0123ABCD"),
    "discord": (re.compile(r"\d{1,20}"), "discord:123456789012345678, the channel's number"),
    "web": (_NAME, "web:name"),
}
_PERSON_IDS = {
    "slack": (re.compile(r"[UW][A-Z0-9]{2,}"), "a member id such as U01ALICE (in Slack: profile, ⋮, Copy member ID)"),
    "discord": (re.compile(r"\d{1,20}"), "a user's number such as 123456789012345678 (in Discord: Copy User ID)"),
    "whatsapp": (re.compile(r"\+?\d{5,20}"), "a telephone number such as +43660123456"),
}
_MINUTES = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)?")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:40]} is not a name: letters, digits, dot, dash and underscore, at most 64 of them.")
    return text


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("must be text on one line.")
    return text


def _minutes(given: object) -> object:
    match = _MINUTES.fullmatch(given.strip()) if isinstance(given, str) else None
    return float(match[1]) * {"h": 60, "d": 1440}.get(match[2], 1) if match else given


def _clock(given: object) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(given))
    if not match:
        raise ValueError("must be a time of day such as 22:00.")
    return time(int(match[1]), int(match[2]))


def _zone(text: str) -> str:
    from zoneinfo import available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        known = tuple(sorted(available_timezones()))
        if not known:
            raise ValueError("this machine has no time zone data; install the package tzdata.") from None
        raise ValueError(
            f"{text[:40]} is not a time zone.{suggestion(text, known, ' Write one such as Europe/Vienna.')}"
        ) from None
    return text


def _channel(given: object) -> ChannelRef:
    if isinstance(given, dict):
        raise ValueError("a channel is one word: slack:#name, without a space after the colon.")
    platform, _, place = str(given or "").partition(":")
    if platform not in _CHANNELS:
        near = suggestion(platform, tuple(_CHANNELS))
        raise ValueError(f"{str(given)[:40]} is not a channel: slack:#name, slack:C0123, discord:123 or web:name.{near}")
    pattern, form = _CHANNELS[platform]
    if not pattern.fullmatch(place):
        raise ValueError(f"{str(given)[:40]} is not a channel of {platform}: write {form}.")
    return ChannelRef(platform, place)


Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_printable)]
Minutes = Annotated[float, BeforeValidator(_minutes), Field(gt=0)]
Dollars = Annotated[float, Field(gt=0)]
Zone = Annotated[str, AfterValidator(_zone)]
Clock = Annotated[time, PlainValidator(_clock)]
Channel = Annotated[ChannelRef, PlainValidator(_channel)]


class BudgetSection(Section):
    """Most money to spend, in US dollars. At the top of the file for all products together, in a product for that one."""

    per_day_usd: Dollars | None = Field(default=None, description="Most in one day (UTC), US dollars; no limit when left out.")
    per_work_usd: Dollars | None = Field(
        default=None, description="Most for one piece of work, US dollars; no limit when left out."
    )

    def value(self) -> Budget:
        """As the coordinator speaks of it."""
        return Budget(self.per_day_usd, self.per_work_usd)


class ApprovalsSection(Section):
    """Who decides gates. At the top for every product; what a product says itself comes before that."""

    required: int | None = Field(default=None, ge=1, description="How many different people must approve; default 1.")
    approvers: tuple[Text, ...] | None = Field(
        default=None, description="People who decide; left out: everyone whose role is approver or admin."
    )
    backups: tuple[Text, ...] | None = Field(
        default=None, description="People who are asked, and may decide, after escalate_after."
    )
    self_approval: bool | None = Field(default=None, description="Whether one may decide what one asked for; default true.")
    remind_after: Minutes | None = Field(
        default=None, description="Minutes (or 2h, 1d) until approvers are reminded; default 30."
    )
    escalate_after: Minutes | None = Field(
        default=None, description="Minutes (or 2h, 1d) until backups are asked; default 120."
    )
    hold: bool | None = Field(
        default=None, description="Whether an open gate holds the product's new work back; default false."
    )

    def over(self, base: Approvals) -> Approvals:
        """`base` with what is said here."""
        said = {name: value for name in self.keys() if (value := getattr(self, name)) is not None}
        return replace(base, **said)


class ProductSection(Section):
    """One product: a git repository in which the engine works."""

    noun = "product"

    name: Name = Field(description="What people call it; unique.")
    path: Text = Field(description="Its folder: absolute, from ~, or relative to this file.")
    type: Literal["code", "marketing", "support"] = Field(default="code", description="What kind of work it is.")
    overstory: bool = Field(default=True, description="Whether the engine works in it; false: only read and talked about.")
    priority: Literal["critical", "high", "medium", "low"] = Field(
        default="medium", description="Which comes first when places are few."
    )
    resource_weight: float = Field(default=1.0, gt=0, le=1000, description="How heavy its work is beside that of others.")
    channels: tuple[Channel, ...] = Field(
        default=(), description="Where it is talked about: slack:#name, slack:C0123, discord:123, web:name."
    )
    runtime: Text | None = Field(default=None, description="Name of the runtime it lives in; default the first of runtimes.")
    budget: BudgetSection | None = Field(default=None, description="Its own budget, within that of the fleet.")
    approvals: ApprovalsSection | None = Field(default=None, description="Its own approvals, before those of the fleet.")


class PersonSection(Section):
    """Somebody who may speak to the fleet, and how each platform knows them."""

    noun = "person"

    name: Text = Field(max_length=64, description="What they are called; unique.")
    role: Role = Field(default=Role.VIEWER, description="What they may do; each role includes those before it.")
    products: tuple[Text, ...] = Field(default=(), description="Products that the role covers; left out: all.")
    slack: Text | None = Field(default=None, description="Slack member id.")
    discord: Text | None = Field(default=None, description="Discord user number.")
    web: Text | None = Field(default=None, description="token: whoever holds FLEET_WEB_TOKEN.")
    terminal: Text | None = Field(default=None, description="User name on this machine.")
    whatsapp: Text | None = Field(default=None, description="Telephone number.")

    def value(self) -> Person:
        """As the coordinator speaks of it."""
        ids = {platform: known for platform in PLATFORMS if (known := getattr(self, platform))}
        return Person(self.name, self.role, self.products, ids)

    def wrong_ids(self) -> list[tuple[str, str]]:
        """Platforms whose id has not the form of one, with that form."""
        return [
            (platform, form)
            for platform, (pattern, form) in _PERSON_IDS.items()
            if (known := getattr(self, platform)) and not pattern.fullmatch(known)
        ]


class ResourceBudget(Section):
    """How much of the machine the sessions of all products may use."""

    max_cpu_percent: float = Field(
        default=60.0, gt=0, le=100, description="Most CPU in use when new work starts, percent of the machine."
    )
    max_memory_gb: float = Field(default=12.0, gt=0, description="Most memory of all sessions together, GiB.")
    max_weight: float | None = Field(
        default=None, gt=0, le=100_000, description="Most resource_weight of all running work together; no limit when left out."
    )
    session_memory_gb: float = Field(
        default=2.0, gt=0, le=1000, description="Memory that a session is expected to take until three runs have shown it, GiB."
    )


class Scheduling(Section):
    """When work starts."""

    max_concurrent_sessions: int = Field(default=2, ge=1, le=1000, description="Most pieces of work that run at the same time.")
    strategy: Literal["priority-weighted", "reasoned"] = Field(
        default="priority-weighted", description="Who chooses among what may start: the weights, or the agent with its reasons."
    )
    resource_budget: ResourceBudget = Field(default_factory=ResourceBudget, description="How much of the machine may be used.")
    waiting_keeps_place: bool = Field(
        default=False, description="Whether work that waits for a person keeps its place; else others may have it."
    )
    retries: int = Field(
        default=2, ge=0, le=20, description="How often work whose session was lost starts again by itself, where that is safe."
    )
    failures_in_a_row: int = Field(
        default=5,
        ge=1,
        le=100,
        description="After so many, nothing starts on a product for a while, then one trial.",
    )
    stalled_after: Minutes = Field(
        default=20.0, description="Minutes (or 2h) without a sign of life after which running work counts as stalled."
    )
    reasoned_tokens_per_day: int = Field(
        default=100_000, ge=0, description="Most tokens in one day (UTC) for the agent's choices, with strategy: reasoned."
    )

    @property
    def max_cpu_percent(self) -> float:
        """Most CPU in use when new work starts, percent of the machine."""
        return self.resource_budget.max_cpu_percent

    @property
    def max_memory_gb(self) -> float:
        """Most memory of all sessions together, GiB."""
        return self.resource_budget.max_memory_gb


class PathMap(Section):
    """A folder under two names: on this machine, and inside the runtime."""

    noun = "path"

    here: Text = Field(description="The folder on this machine; absolute, from ~, or relative to this file.")
    there: Text = Field(description="The same folder as the runtime sees it; absolute.")


class Runtime(Section):
    """A place where products' engines run."""

    noun = "runtime"
    KEYS: ClassVar[dict[str, set[str]]] = {"docker": {"container", "host", "user"}, "socket": {"socket"}}
    """Keys that only one kind takes."""

    name: Name = Field(description="What products call it; unique.")
    kind: Literal["docker", "socket", "local", "rehearsal"] = Field(default="docker", description="How it is reached.")
    container: Text = Field(default="overstory-runtime", description="Name of the container (docker).")
    host: Text | None = Field(default=None, description="Docker host: unix://, tcp:// or ssh://; default DOCKER_HOST (docker).")
    user: Text = Field(default="agent", description="The user in the container that runs the agents; never root (docker).")
    socket: Text | None = Field(default=None, description="Path of the supervisor's socket (socket).")
    paths: tuple[PathMap, ...] = Field(default=(), description="Folders that have another name inside the runtime.")

    def inside(self, path: str, base: Path) -> str:
        """A path of this machine as the runtime sees it; the longest matching folder of `paths` counts."""
        for mapped in sorted(self.paths, key=lambda each: len(absolute(each.here, base)), reverse=True):
            here = absolute(mapped.here, base)
            if path == here or path.startswith(here.rstrip("/") + "/"):
                return normpath(f"{mapped.there}/{path[len(here) :]}")
        return path


class Schedule(Section):
    """Work that comes back by the clock."""

    noun = "schedule"

    name: Name = Field(description="What it is called; unique.")
    product: Text = Field(description="The product it works on.")
    cron: Annotated[str, AfterValidator(crons.check)] = Field(
        description="minute hour day month weekday, such as 0 9 * * mon-fri."
    )
    objective: str = Field(min_length=1, description="What is asked for.")
    capability: Name | None = Field(
        default=None, description="Worker to give it to (scout, marketing, …); left out: the coordinator."
    )
    timezone: Zone = Field(default="UTC", description="Time zone of cron.")
    missed: Literal["skip", "once"] = Field(
        default="skip", description="What to do about runs missed while the fleet was down."
    )
    enabled: bool = Field(default=True, description="false: kept, but not run.")


class Digest(Section):
    """What changed since the day before, said once a day where something did. It costs no tokens."""

    time: Clock = Field(description="Time of day.")
    timezone: Zone = Field(default="UTC", description="Time zone of time.")
    channel: Channel | None = Field(
        default=None, description="Where it is said; left out: on the page, in the fleet's own talk."
    )
    weekends: bool = Field(default=False, description="Whether also on Saturday and Sunday.")


class QuietHours(Section):
    """When nobody is reminded. Gates stay open; nothing is decided by silence."""

    start: Clock = Field(alias="from", description="Time of day at which quiet begins.")
    end: Clock = Field(alias="to", description="Time of day at which it ends; may be on the next day.")
    timezone: Zone = Field(default="UTC", description="Time zone of from and to.")
    weekends: bool = Field(default=False, description="Whether Saturday and Sunday are quiet all day.")

    def over(self, when: datetime) -> datetime:
        """The first instant from `when` on that is not quiet; a week ahead at the most."""
        local = when.astimezone(ZoneInfo(self.timezone))
        for _ in range(16):
            if not self.cover(local):
                return local.astimezone(when.tzinfo)
            ends = local.replace(hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0, fold=0)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)
            local = ends if local < ends < midnight else min(midnight, ends + timedelta(days=1))
        return local.astimezone(when.tzinfo)

    def cover(self, when: datetime) -> bool:
        """Whether an instant (timezone-aware) lies in quiet hours."""
        local = when.astimezone(ZoneInfo(self.timezone))
        if self.weekends and local.weekday() >= 5:
            return True
        now = local.time()
        return self.start <= now < self.end if self.start < self.end else now >= self.start or now < self.end


class AuditSection(Section):
    """The journal of what happened and who did it."""

    keep_days: int = Field(default=365, ge=1, le=36500, description="Days that its rows are kept; what is left still verifies.")


class AgentLimits(Section):
    """The Claude agent: which model, and how far it may go."""

    model: Text = Field(default="claude-sonnet-5-5", description="Model that answers people.")
    max_steps: int = Field(default=24, ge=1, le=500, description="Most rounds of tool calls in one turn.")
    max_tokens: int = Field(default=8192, ge=256, le=200_000, description="Most tokens of one answer.")
    per_day_usd: Dollars | None = Field(
        default=None, description="Most money for the agent itself in one day (UTC), US dollars; no limit when left out."
    )


class RegistrySection(Section):
    """The whole file."""

    products: tuple[ProductSection, ...] = Field(default=(), description="The products.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="When work starts.")
    people: tuple[PersonSection, ...] = Field(
        default=(), description="Who may speak to the fleet; left out: the holder of the web token alone."
    )
    approvals: ApprovalsSection = Field(default_factory=ApprovalsSection, description="Who decides gates.")
    budget: BudgetSection = Field(default_factory=BudgetSection, description="Most money for all products together.")
    runtimes: tuple[Runtime, ...] = Field(default=(), description="Where the engine runs; left out: found by itself.")
    schedules: tuple[Schedule, ...] = Field(default=(), description="Work that comes back by the clock.")
    digest: Digest | None = Field(default=None, description="What changed across all products, once a day; left out: never.")
    quiet_hours: QuietHours | None = Field(default=None, description="When nobody is reminded.")
    audit: AuditSection = Field(default_factory=AuditSection, description="How long the journal is kept.")
    agent: AgentLimits = Field(default_factory=AgentLimits, description="The Claude agent and its limits.")


def absolute(path: str, base: Path) -> str:
    """A path of the file made absolute: `~` is the user's folder, anything relative begins at `base`."""
    return normpath(base / expanduser(path))  # noqa: PTH111 (the method of Path fails where nobody has a home)


def spoken(name: str) -> str:
    """What two ways to say the same name have in common: `Product A` and `product-a` are one."""
    return name.strip().casefold().replace(" ", "-").replace("_", "-")
