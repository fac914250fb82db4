"""Products as the registry describes them."""

from dataclasses import dataclass

PRIORITY_STEPS = {"critical": 4.0, "high": 3.0, "medium": 2.0, "low": 1.0}
"""Rank of each priority, in steps. The order of the queue and of the inbox counts in these steps."""


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel of a platform, such as `slack:#name`, `slack:C0123`, `discord:123` or `web:name`."""

    platform: str
    id: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.id}"


@dataclass(frozen=True, slots=True)
class Approvals:
    """Rules for a product's gates. `remind_after` and `escalate_after` are minutes."""

    required: int = 1
    approvers: tuple[str, ...] = ()
    backups: tuple[str, ...] = ()
    self_approval: bool = True
    remind_after: float = 30.0
    escalate_after: float = 120.0
    hold_new_work: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Spending limits in US dollars. None is no limit of its own."""

    per_day_usd: float | None = None
    per_work_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """One entry of the registry."""

    name: str
    path: str
    """Absolute path inside the product's runtime."""
    type: str = "code"
    overstory: bool = True
    priority: str = "medium"
    resource_weight: float = 1.0
    channels: tuple[ChannelRef, ...] = ()
    runtime: str | None = None
    budget: Budget = Budget()
    approvals: Approvals = Approvals()
    line: int = 0
    """Line of the product's entry in the registry file, for messages."""
