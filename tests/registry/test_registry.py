"""Loading of `products.yaml` and its defaults."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain import Approvals, Budget, ChannelRef, Person, Role
from bot.domain.errors import NotFound
from tests.registry.reading import NOON, SEED, problems, read, with_product


def test_original_registry_format_loads() -> None:
    registry = read(SEED)
    assert registry.names == ("product-a", "product-b", "product-c", "product-d")
    first = registry.products[0]
    assert (first.path, first.type, first.overstory, first.priority) == ("/projects/product-a", "code", True, "high")
    assert (first.resource_weight, first.channels, first.line) == (3, (ChannelRef("slack", "#product-a-dev"),), 3)
    assert (registry.scheduling.max_concurrent_sessions, registry.scheduling.strategy) == (2, "priority-weighted")
    assert (registry.scheduling.max_cpu_percent, registry.scheduling.max_memory_gb) == (60, 12)


def test_missing_keys_have_defaults() -> None:
    registry = read("products: [{name: a, path: a}]")
    assert registry.products[0].priority == "medium"
    assert registry.products[0].path == "/fleet/a"
    assert (registry.people, registry.budget, registry.approvals) == ((), Budget(), Approvals())
    assert (registry.runtimes, registry.schedules, registry.quiet_hours) == ((), (), None)
    assert registry.default_runtime == ""
    assert registry.agent.max_steps > 0
    assert registry.loaded_at == NOON


def test_empty_sections_are_valid() -> None:
    assert read("products:\nscheduling:\npeople:\n").products == ()


def test_all_kinds_of_channels_load() -> None:
    [product] = read(
        "products: [{name: a, path: a, channels: ['slack:#dev', slack:C0123AB, discord:123456789012345678, web:a}]".replace(
            "web:a}", "web:a]}"
        )
    ).products
    assert [str(channel) for channel in product.channels] == [
        "slack:#dev", "slack:C0123AB", "discord:123456789012345678", "web:a",
    ]  # fmt: skip


def test_renamed_keys_load_under_their_former_names() -> None:
    registry = read(with_product("approvals: {hold: true}\nscheduling: {waiting_keeps_place: true}"))
    assert registry.approvals.hold_new_work
    assert registry.scheduling.waiting_keeps_slot


def test_problem_of_a_renamed_key_has_its_position() -> None:
    assert problems(with_product("scheduling: {waiting_keeps_place: maybe}")) == [
        "2:35: scheduling.waiting_keeps_slot must be true or false, not maybe."
    ]


def test_retention_has_days_for_every_kind() -> None:
    days = read(with_product("retention: {mail: 30, audit: 400}")).retention.days()
    assert days == {
        "conversations": 365, "transcripts": 90, "work": 730, "mail": 30, "admissions": 90, "spending": 730, "outbox": 90,
        "audit": 400,
    }  # fmt: skip


def test_retention_of_the_journal_loads_under_its_former_key() -> None:
    assert read(with_product("audit: {keep_days: 30}")).retention.audit == 30
    assert read(with_product("audit: {keep_days: 30}\nretention: {mail: 20}")).retention.audit == 30
    assert read(with_product("audit: {keep_days: 30}\nretention: {audit: 40}")).retention.audit == 40


def test_problems_of_retention_have_their_positions() -> None:
    found = problems(with_product("retention:\n  mail: 0\n  transcript: 5\naudit: {keep_days: soon}"))
    assert [problem.partition(" ")[0] for problem in found] == ["3:9:", "4:3:", "5:20:"]
    assert "retention.mail" in found[0]
    assert "transcripts" in found[1]


def test_person_is_found_by_platform_id() -> None:
    registry = read(
        with_product("""
        people:
          - {name: alice, role: admin, slack: U01ALICE, discord: 123456789012345678, web: token}
          - {name: Béa, slack: U02, products: [a]}
        """)
    )
    alice = Person("alice", Role.ADMIN, (), {"slack": "U01ALICE", "discord": "123456789012345678", "web": "token"})
    assert registry.people == (alice, Person("Béa", Role.VIEWER, ("a",), {"slack": "U02"}))
    assert registry.person("discord", "123456789012345678") == alice
    assert registry.person("slack", "nobody") is None


def test_product_approvals_override_those_of_the_fleet() -> None:
    registry = read("""
        products:
          - {name: a, path: a}
          - {name: b, path: b, approvals: {required: 2, remind_after: 2h}}
        people: [{name: ana, slack: U1A}, {name: ben, role: admin, slack: U2B}, {name: cyd, web: token}]
        approvals: {approvers: [ana, ben], backups: [cyd], self_approval: no, remind_after: 10, escalate_after: 1d}
        """)
    common = Approvals(1, ("ana", "ben"), ("cyd",), self_approval=False, remind_after=10, escalate_after=1440)
    assert registry.products[0].approvals == registry.approvals == common
    assert registry.products[1].approvals == Approvals(2, ("ana", "ben"), ("cyd",), False, 120, 1440)


def test_budgets_of_fleet_product_and_agent_load() -> None:
    registry = read("""
        products: [{name: a, path: a, budget: {per_day_usd: 10, per_work_usd: 2.5}}]
        budget: {per_day_usd: 20}
        agent: {per_day_usd: 5, model: claude-haiku-5-5, max_steps: 7}
        """)
    assert registry.products[0].budget == Budget(10, 2.5)
    assert registry.budget == Budget(20, None)
    assert (registry.agent.per_day_usd, registry.agent.model, registry.agent.max_steps) == (5, "claude-haiku-5-5", 7)


def test_product_defaults_to_the_first_runtime() -> None:
    registry = read("""
        products: [{name: a, path: /home/ana/fleet/a}, {name: b, path: /srv/b, runtime: here}, {name: c, path: /elsewhere/c}]
        runtimes:
          - {name: box, paths: [{here: /home/ana, there: /wrong}, {here: /home/ana/fleet, there: /projects}]}
          - {name: here, kind: local}
        """)
    assert [(product.runtime, product.path) for product in registry.products] == [
        ("box", "/projects/a"), ("here", "/srv/b"), ("box", "/elsewhere/c"),
    ]  # fmt: skip
    assert registry.default_runtime == "box"
    assert registry.runtime("box") == registry.runtimes[0]
    assert (registry.runtimes[0].container, registry.runtimes[0].user) == ("overstory-runtime", "agent")


def test_quiet_hours_span_midnight_in_their_time_zone() -> None:
    quiet = read(with_product("quiet_hours: {from: 22:00, to: 07:00, timezone: Europe/Vienna, weekends: true}")).quiet_hours
    assert quiet is not None
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert [quiet.covers(monday + timedelta(hours=hour)) for hour in (0, 5, 6, 12, 20, 21, 23)] == [
        True, True, False, False, False, True, True,
    ]  # fmt: skip
    assert quiet.covers(monday + timedelta(days=5, hours=12))


def test_schedule_loads_with_defaults() -> None:
    [schedule] = read(
        with_product("""
        schedules:
          - {name: daily, product: a, cron: 0 9 * * mon-fri, objective: Sort the inbox., timezone: Europe/Vienna, missed: once}
        """)
    ).schedules
    assert (schedule.name, schedule.product, schedule.cron, schedule.timezone) == (
        "daily",
        "a",
        "0 9 * * mon-fri",
        "Europe/Vienna",
    )
    assert (schedule.missed, schedule.enabled, schedule.capability) == ("once", True, None)


def test_anchors_aliases_and_merge_keys_are_expanded() -> None:
    registry = read("""
        products:
          - &usual {name: a, path: a, priority: low, channels: [web:a]}
          - <<: *usual
            name: b
            path: b
            channels: [web:b]
        """)
    assert [(product.name, product.priority) for product in registry.products] == [("a", "low"), ("b", "low")]


def test_product_is_found_by_spoken_name() -> None:
    registry = read(SEED)
    assert registry.product("Product A") == registry.product("product_a") == registry.products[0]
    assert registry.channel(ChannelRef("slack", "#support")) == registry.products[3]
    assert registry.channel(ChannelRef("slack", "#elsewhere")) is None
    with pytest.raises(NotFound, match=r"Did you mean product-a\?"):
        registry.product("prodct-a")


def test_thousand_products_load() -> None:
    entry = (
        "  - {{name: p{0}, path: /p/{0}, type: code, priority: high, channels: ['slack:#p{0}'], budget: {{per_day_usd: 1}}}}\n"
    )
    assert len(read("products:\n" + "".join(map(entry.format, range(1000)))).products) == 1000
