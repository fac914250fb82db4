"""Sections of `products.yaml`, one class each. Field descriptions state unit, range and default.

`scheduling`, `runtimes`, `schedules`, `quiet_hours` and `agent` are used as they are. Products, people, approvals and budgets
are converted to the values of `bot.domain`.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from os.path import expanduser, normpath
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from bot.domain import Approvals, Budget, Person, Role
from bot.domain import recurrence as crons
from bot.registry.values import Channel, Clock, Days, Dollars, Minutes, Name, Text, Zone
from bot.registry.yamlmodel import Section

PRIORITIES = ("critical", "high", "medium", "low")
"""Priorities of a product, most urgent first."""
PLATFORMS = ("slack", "discord", "web", "terminal", "whatsapp")
"""Platforms on which a person can have an id."""

_PERSON_IDS = {
    "slack": (re.compile(r"[UW][A-Z0-9]{2,}"), "a member id such as U01ALICE (in Slack: profile, ⋮, Copy member ID)"),
    "discord": (re.compile(r"\d{1,20}"), "a user id such as 123456789012345678 (in Discord: Copy User ID)"),
    "whatsapp": (re.compile(r"\+?\d{5,20}"), "a phone number such as +43660123456"),
}


class BudgetSection(Section):
    """Spending limits in US dollars, of the whole fleet at the top level or of one product."""

    per_day_usd: Dollars | None = Field(default=None, description="Limit per day (UTC) in US dollars. Default: none.")
    per_work_usd: Dollars | None = Field(default=None, description="Limit per piece of work in US dollars. Default: none.")

    def value(self) -> Budget:
        """Return the budget as a domain value."""
        return Budget(self.per_day_usd, self.per_work_usd)


class ApprovalsSection(Section):
    """Rules for gates, of every product at the top level. A product's own rules override them."""

    renamed: ClassVar[dict[str, str]] = {"hold": "hold_new_work"}

    required: int | None = Field(default=None, ge=1, description="Number of different people who must approve. Default: 1.")
    approvers: tuple[Text, ...] | None = Field(
        default=None, description="People who decide. Default: everyone with the role approver or admin."
    )
    backups: tuple[Text, ...] | None = Field(
        default=None, description="People who are asked, and may decide, after escalate_after."
    )
    self_approval: bool | None = Field(
        default=None, description="Allow people to decide gates of their own requests. Default: true."
    )
    remind_after: Minutes | None = Field(
        default=None, description="Minutes (or 2h, 1d) until approvers are reminded. Default: 30."
    )
    escalate_after: Minutes | None = Field(
        default=None, description="Minutes (or 2h, 1d) until backups are asked. Default: 120."
    )
    hold_new_work: bool | None = Field(
        default=None, description="Start no new work on the product while a gate is open. Default: false."
    )

    def applied_to(self, base: Approvals) -> Approvals:
        """Return `base` with the rules of this section."""
        said = {name: value for name in self.keys() if (value := getattr(self, name)) is not None}
        return replace(base, **said)


class ProductSection(Section):
    """One product, which is a git repository that agents work in."""

    noun = "product"

    name: Name = Field(description="Unique name.")
    path: Text = Field(description="Folder of the repository, absolute, from ~, or relative to this file.")
    type: Literal["code", "marketing", "support"] = Field(default="code", description="Kind of work.")
    overstory: bool = Field(default=True, description="Allow agents to run in it. false: the product can only be read.")
    priority: Literal["critical", "high", "medium", "low"] = Field(
        default="medium", description="Priority of its work in the queue."
    )
    resource_weight: float = Field(
        default=1.0, gt=0, le=1000, description="Resource use of its work, relative to other products."
    )
    channels: tuple[Channel, ...] = Field(
        default=(), description="Channels of the product: slack:#name, slack:C0123, discord:123, web:name."
    )
    runtime: Text | None = Field(default=None, description="Name of its runtime. Default: the first of runtimes.")
    budget: BudgetSection | None = Field(default=None, description="Budget of the product, within that of the fleet.")
    approvals: ApprovalsSection | None = Field(
        default=None, description="Approval rules of the product, which override those of the fleet."
    )


class PersonSection(Section):
    """A person who may use the fleet, with their id on each platform."""

    noun = "person"

    name: Text = Field(max_length=64, description="Unique name.")
    role: Role = Field(default=Role.VIEWER, description="Role of the person. Each role includes those before it.")
    products: tuple[Text, ...] = Field(default=(), description="Products that the role covers. Default: all.")
    slack: Text | None = Field(default=None, description="Slack member id.")
    discord: Text | None = Field(default=None, description="Discord user id.")
    web: Text | None = Field(
        default=None, description="The word token. This person is anyone who signs in with the admin token."
    )
    terminal: Text | None = Field(default=None, description="User name on this machine.")
    whatsapp: Text | None = Field(default=None, description="Phone number.")

    def value(self) -> Person:
        """Return the person as a domain value."""
        ids = {platform: known for platform in PLATFORMS if (known := getattr(self, platform))}
        return Person(self.name, self.role, self.products, ids)

    def wrong_ids(self) -> list[tuple[str, str]]:
        """Return the platforms with an invalid id, each with the expected form."""
        return [
            (platform, form)
            for platform, (pattern, form) in _PERSON_IDS.items()
            if (known := getattr(self, platform)) and not pattern.fullmatch(known)
        ]


class ResourceBudget(Section):
    """Limits on the machine's resources for the sessions of all products."""

    max_cpu_percent: float = Field(
        default=60.0, gt=0, le=100, description="Start no work above this CPU use, in percent of the machine."
    )
    max_memory_gb: float = Field(default=12.0, gt=0, description="Memory limit of all sessions together, in GiB.")
    max_weight: float | None = Field(
        default=None, gt=0, le=100_000, description="Limit on the total resource_weight of running work. Default: none."
    )
    session_memory_gb: float = Field(
        default=2.0, gt=0, le=1000, description="Expected memory of a session in GiB, until three runs have been measured."
    )


class Scheduling(Section):
    """Limits and rules for starting work."""

    renamed: ClassVar[dict[str, str]] = {"waiting_keeps_place": "waiting_keeps_slot"}

    max_concurrent_sessions: int = Field(
        default=2, ge=1, le=1000, description="Number of slots, which is how many pieces of work may run at once."
    )
    strategy: Literal["priority-weighted", "reasoned"] = Field(
        default="priority-weighted",
        description="Choose the next work by weights, or let the agent choose and give its reasons.",
    )
    resource_budget: ResourceBudget = Field(default_factory=ResourceBudget, description="Limits on the machine's resources.")
    waiting_keeps_slot: bool = Field(
        default=False, description="Keep the slot of work that waits for a decision. false: other work may use it."
    )
    retries: int = Field(
        default=2, ge=0, le=20, description="Automatic restarts of work whose session was lost, where that is safe."
    )
    failures_in_a_row: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Consecutive failures after which a product is paused for a while, then tried once.",
    )
    stalled_after: Minutes = Field(
        default=20.0, description="Minutes (or 2h) without activity after which running work counts as stalled."
    )
    reasoned_tokens_per_day: int = Field(
        default=100_000, ge=0, description="Limit per day (UTC) in tokens for the agent's choices, with strategy: reasoned."
    )

    @property
    def max_cpu_percent(self) -> float:
        """Highest CPU use at which work still starts, in percent of the machine."""
        return self.resource_budget.max_cpu_percent

    @property
    def max_memory_gb(self) -> float:
        """Memory limit of all sessions together, in GiB."""
        return self.resource_budget.max_memory_gb


class PathMap(Section):
    """One folder's paths on this machine and inside the runtime."""

    noun = "path"

    here: Text = Field(description="Path on this machine, absolute, from ~, or relative to this file.")
    there: Text = Field(description="Absolute path of the same folder inside the runtime.")


class Runtime(Section):
    """An environment that products' engines run in."""

    noun = "runtime"
    KEYS: ClassVar[dict[str, set[str]]] = {"docker": {"container", "host", "user"}, "socket": {"socket"}}
    """Keys that are valid for one kind only."""

    name: Name = Field(description="Unique name, which products refer to.")
    kind: Literal["docker", "socket", "local", "rehearsal"] = Field(default="docker", description="Kind of connection.")
    container: Text = Field(default="overstory-runtime", description="Name of the container (docker).")
    host: Text | None = Field(
        default=None, description="Docker host: unix://, tcp:// or ssh://. Default: DOCKER_HOST (docker)."
    )
    user: Text = Field(default="agent", description="User in the container that runs the agents, never root (docker).")
    socket: Text | None = Field(default=None, description="Path of the supervisor's socket (socket).")
    paths: tuple[PathMap, ...] = Field(default=(), description="Folders with a different path inside the runtime.")

    def inside(self, path: str, base: Path) -> str:
        """Translate a path of this machine by the longest matching folder of `paths`."""
        for mapped in sorted(self.paths, key=lambda each: len(absolute(each.here, base)), reverse=True):
            here = absolute(mapped.here, base)
            if path == here or path.startswith(here.rstrip("/") + "/"):
                return normpath(f"{mapped.there}/{path[len(here) :]}")
        return path


class Schedule(Section):
    """Recurring work."""

    noun = "schedule"

    name: Name = Field(description="Unique name.")
    product: Text = Field(description="Product to work on.")
    cron: Annotated[str, AfterValidator(crons.check)] = Field(
        description="Times as a cron expression (minute hour day month weekday), such as 0 9 * * mon-fri."
    )
    objective: str = Field(min_length=1, description="Objective of the work.")
    capability: Name | None = Field(
        default=None, description="Kind of agent (scout, marketing, …). Default: the product's coordinator."
    )
    timezone: Zone = Field(default="UTC", description="Time zone of the cron expression.")
    missed: Literal["skip", "once"] = Field(
        default="skip", description="Skip runs that were missed while the fleet was down, or make up for them once."
    )
    enabled: bool = Field(default=True, description="Run the schedule. false: it is ignored.")


class Digest(Section):
    """Daily report of changes, sent only if there are any. It uses no tokens."""

    time: Clock = Field(description="Time of day at which it is sent.")
    timezone: Zone = Field(default="UTC", description="Time zone of the time of day.")
    channel: Channel | None = Field(
        default=None, description="Channel of the report. Default: the fleet's conversation on the page."
    )
    weekends: bool = Field(default=False, description="Send it on Saturday and Sunday too.")


class QuietHours(Section):
    """Hours without reminders. Gates stay open and never time out."""

    start: Clock = Field(alias="from", description="Start, a time of day.")
    end: Clock = Field(alias="to", description="End, a time of day, possibly on the next day.")
    timezone: Zone = Field(default="UTC", description="Time zone of from and to.")
    weekends: bool = Field(default=False, description="Make Saturday and Sunday quiet all day.")

    def first_allowed(self, when: datetime) -> datetime:
        """Return the first time from `when` on that is not quiet, at most a week ahead."""
        local = when.astimezone(ZoneInfo(self.timezone))
        for _ in range(16):
            if not self.covers(local):
                return local.astimezone(when.tzinfo)
            ends = local.replace(hour=self.end.hour, minute=self.end.minute, second=0, microsecond=0, fold=0)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)
            local = ends if local < ends < midnight else min(midnight, ends + timedelta(days=1))
        return local.astimezone(when.tzinfo)

    def covers(self, when: datetime) -> bool:
        """Return True if a timezone-aware time is within quiet hours."""
        local = when.astimezone(ZoneInfo(self.timezone))
        if self.weekends and local.weekday() >= 5:
            return True
        now = local.time()
        return self.start <= now < self.end if self.start < self.end else now >= self.start or now < self.end


class RetentionSection(Section):
    """Days after which history is deleted. Open items, what they refer to, and decisions stay."""

    conversations: Days = Field(default=365, description="Days to keep posts, handled events and unused conversations.")
    transcripts: Days = Field(default=90, description="Days to keep the agent's transcripts of conversations.")
    work: Days = Field(default=730, description="Days to keep work that ended, and gates that ended without a decision.")
    mail: Days = Field(default=365, description="Days to keep the engine's mail.")
    admissions: Days = Field(default=90, description="Days to keep the scheduler's reasons for starting or not starting work.")
    spending: Days = Field(default=730, description="Days to keep daily costs and the records of the agent's turns.")
    outbox: Days = Field(default=90, description="Days to keep the records of deliveries to chats.")
    audit: Days = Field(default=365, description="Days to keep rows of the audit journal. The remaining rows still verify.")

    def days(self) -> dict[str, int]:
        """Return the days of every kind."""
        return {kind: getattr(self, kind) for kind in type(self).model_fields if kind != "at"}


class AuditSection(Section):
    """Section that `retention.audit` replaces."""

    keep_days: Days = Field(default=365, description="Replaced by `retention.audit`, which takes precedence.")


class AgentLimits(Section):
    """Model and limits of the Claude agent."""

    model: Text = Field(default="claude-sonnet-5-5", description="Model that answers people.")
    max_steps: int = Field(default=24, ge=1, le=500, description="Limit per turn in rounds of tool calls.")
    max_tokens: int = Field(default=8192, ge=256, le=200_000, description="Limit per answer in tokens, thinking included.")
    per_day_usd: Dollars | None = Field(
        default=None, description="Limit per day (UTC) for the agent itself, in US dollars. Default: none."
    )


class RegistrySection(Section):
    """The registry file."""

    products: tuple[ProductSection, ...] = Field(default=(), description="Products of the fleet.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Limits and rules for starting work.")
    people: tuple[PersonSection, ...] = Field(
        default=(), description="People who may use the fleet. Default: anyone with the admin token, as admin."
    )
    approvals: ApprovalsSection = Field(default_factory=ApprovalsSection, description="Rules for gates.")
    budget: BudgetSection = Field(default_factory=BudgetSection, description="Budget of all products together.")
    runtimes: tuple[Runtime, ...] = Field(default=(), description="Environments that engines run in. Default: detected.")
    schedules: tuple[Schedule, ...] = Field(default=(), description="Recurring work.")
    digest: Digest | None = Field(default=None, description="Daily report of changes across all products. Default: none.")
    quiet_hours: QuietHours | None = Field(default=None, description="Hours without reminders.")
    retention: RetentionSection = Field(
        default_factory=RetentionSection, description="Days after which history is deleted, by kind."
    )
    audit: AuditSection | None = Field(default=None, description="Replaced by `retention.audit`. Still works.")
    agent: AgentLimits = Field(default_factory=AgentLimits, description="Model and limits of the Claude agent.")


def absolute(path: str, base: Path) -> str:
    """Make a path of the file absolute, with `~` as the user's home and relative to `base`."""
    return normpath(base / expanduser(path))  # noqa: PTH111 (Path.expanduser raises without a home)


def normalized(name: str) -> str:
    """Return the form in which names are compared, the same for `Product A` and `product-a`."""
    return name.strip().casefold().replace(" ", "-").replace("_", "-")
