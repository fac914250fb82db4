"""Loading of `products.yaml`, its defaults, and the message for each problem."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import Approvals, Budget, ChannelRef, Person, Role
from bot.domain.errors import NotFound, RegistryError
from bot.registry import Registry, RegistryFile, load, parse

HERE = Path("/fleet/products.yaml")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

SEED = """\
# products.yaml (OpenClaw workspace config)
products:
  - name: product-a
    path: /projects/product-a
    type: code
    overstory: true
    priority: high
    resource_weight: 3
    channels:
      - slack:#product-a-dev

  - name: product-b
    path: /projects/product-b
    type: code
    overstory: true
    priority: medium
    resource_weight: 3
    channels:
      - slack:#product-b-dev

  - name: product-c
    path: /projects/product-c
    type: marketing
    overstory: true
    priority: medium
    resource_weight: 1
    channels:
      - slack:#marketing

  - name: product-d
    path: /projects/product-d
    type: support
    overstory: true
    priority: medium
    resource_weight: 1
    channels:
      - slack:#support

scheduling:
  max_concurrent_sessions: 2
  strategy: priority-weighted
  resource_budget:
    max_cpu_percent: 60
    max_memory_gb: 12
"""


def read(text: str) -> Registry:
    return parse(dedent(text), HERE, now=NOON)


def problems(text: str, path: Path = HERE, *, check_paths: bool = False) -> list[str]:
    with pytest.raises(RegistryError) as raised:
        parse(dedent(text), path, check_paths=check_paths)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in raised.value.problems]


def with_product(more: str) -> str:
    return "products: [{name: a, path: /a}]\n" + dedent(more)


# -- what loads ----------------------------------------------------------------------------------------------------------


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


# -- what is refused -----------------------------------------------------------------------------------------------------


def test_all_problems_are_reported_in_file_order() -> None:
    assert problems("""\
        products:
          - name: product-a
            pth: /a
            path: /a
            priority: hgih
            resource_weight: heavy
          - name: b
            type: [code]
          - nothing
          - {name: product-a, path: /c, overstory: maybe, approvals: {required: 0}}
        scheduling:
          max_concurent_sessions: 3
          max_concurrent_sessions: 0
          resource_budget: {max_cpu_percent: 110}
        agent: 3
        """) == [
        "3:5: product-a: pth is not a key of a product. Did you mean path?",
        "5:15: product-a: priority must be one of critical, high, medium, low, not hgih. Did you mean high?",
        "6:22: product-a: resource_weight must be a number, not heavy.",
        "7:5: b: path is missing.",
        "8:11: b: type must be one of code, marketing, support, not a list.",
        "9:5: product 3 must be a mapping (key: value), not nothing.",
        "10:12: A product named product-a is already defined in line 2.",
        "10:44: product-a: overstory must be true or false, not maybe.",
        "10:73: product-a: approvals.required must be 1 or more, not 0.",
        "12:3: max_concurent_sessions is not a key of scheduling. Did you mean max_concurrent_sessions?",
        "13:28: scheduling.max_concurrent_sessions must be 1 or more, not 0.",
        "14:38: scheduling.resource_budget.max_cpu_percent must be 100 or less, not 110.",
        "15:8: agent must be a mapping (key: value), not 3.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: The file is empty. Replace it with a commented example: fleet init"),
        ("# nothing yet\n", "1:1: The file is empty. Replace it with a commented example: fleet init"),
        ("just words", "1:1: The file must be a mapping (key: value), not just words."),
        ("products:\n\t- a\n", "2:1: The indentation contains a tab. Use spaces only."),
        ("a: b: c", "1:5: Unexpected colon. Quote the value, or start a new line for the next key."),
        ("products: [a\n", "2:1: Invalid YAML: did not find expected ',' or ']' (while parsing a flow sequence)."),
        (
            "products: []\n---\nproducts: []",
            "2:1: A second YAML document starts here. Remove the ---.",
        ),
        ("products: *all", "1:11: *all is not defined. Add &all before it."),
        ("products: &all [*all]", "1:17: *all contains itself."),
        ("products: []\nproducts: []", "2:1: products is repeated. The first is in line 1."),
        ("products: !!python/name:os.system []", "1:11: Tags (words that start with !) are not supported."),
        ("products: []\n? [a]\n: b", "2:3: A key must be text on one line."),
        ("products: []\nbell: \x07", "2:7: YAML does not allow the character U+0007. Remove it."),
        ("scheduling: {}", "1:1: products is missing. If there are none yet, add: products: []"),
        ("[" * 100_000, "1:33: Nesting is deeper than 32 levels."),
    ],
)
def test_invalid_yaml_is_refused(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_exponential_aliases_are_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    [problem] = problems("\n".join(lines))
    assert "more than 200,000 values once its aliases are expanded" in problem


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("[slack: #dev]", "Invalid YAML"),
        ("[{slack: dev}]", "a channel is one word such as slack:#name, without a space after the colon."),
        ("slack:#dev", "channels must be a list"),
        (
            "[slakc:#dev]",
            "slakc:#dev is not a channel. Use slack:#name, slack:C0123, discord:123 or web:name. Did you mean slack?",
        ),
        ("[slack:#Dev]", "slack:#Dev is not a channel of slack. Use slack:#name (lower case)"),
        ("[discord:general]", "discord:general is not a channel of discord. Use discord:123456789012345678"),
        ("[web:x, web:x]", "web:x is repeated."),
    ],
)
def test_invalid_channels_are_refused(channels: str, expected: str) -> None:
    assert expected in "\n".join(problems(f"products: [{{name: a, path: a, channels: {channels}}}]\n"))


def test_channel_belongs_to_one_product() -> None:
    assert problems("""\
        products:
          - {name: a, path: a, channels: [web:x]}
          - {name: b, path: b, channels: [web:y, web:x]}
        """) == ["3:42: b: web:x is already a channel of a (line 2)."]


def test_product_name_must_not_look_like_an_id() -> None:
    found = problems("products: [{name: w3, path: a}, {name: G12, path: b}, {name: w3a, path: c}]")
    assert found == [
        "1:19: w3 has the form of an id of work. Choose another name.",
        "1:40: G12 has the form of an id of gates. Choose another name.",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("budget: {per_day_usd: 0}", "1:23: budget.per_day_usd must be more than 0, not 0."),
        ("budget: {per_day_usd: -3}", "1:23: budget.per_day_usd must be more than 0, not -3."),
        ("budget: {per_day_usd: .inf}", "1:23: budget.per_day_usd must be a number, not .inf."),
        ("budget: {per_day_usd: 5, per_work_usd: 6}", "1:40: budget.per_work_usd (6) is above the fleet's per_day_usd (5)."),
        ("budget: {per_day_usd: 5}\nagent: {per_day_usd: 6}", "2:22: agent.per_day_usd is above the fleet's per_day_usd (5)."),
        (
            "scheduling: {resource_budget: {max_memory_gb: 0}}",
            "1:47: scheduling.resource_budget.max_memory_gb must be more than 0",
        ),
    ],
)
def test_invalid_budgets_are_refused(text: str, expected: str) -> None:
    [problem] = problems(f"{text}\nproducts: []")
    assert problem.startswith(expected)


def test_product_budget_must_fit_the_fleet_budget() -> None:
    assert problems("""\
        products:
          - {name: a, path: a, budget: {per_day_usd: 30, per_work_usd: 40}}
          - {name: b, path: b, budget: {per_work_usd: 21}}
        budget: {per_day_usd: 20}
        """) == [
        "2:46: a: budget.per_day_usd (30) is above the fleet's per_day_usd (20).",
        "2:64: a: budget.per_work_usd (40) is above its own per_day_usd (30).",
        "3:47: b: budget.per_work_usd (21) is above the fleet's per_day_usd (20).",
    ]


PEOPLE = """\
people:
  - {name: ana, role: admin, slack: U1A}
  - {name: ben, role: approver, slack: U2B}
  - {name: vic, slack: U3C}
"""


@pytest.mark.parametrize(
    ("approvals", "expected"),
    [
        ("approvers: [anna]", "6:25: approvers: unknown person anna. Did you mean ana?"),
        ("backups: [zoe]", "6:23: backups: unknown person zoe. Known: ana, ben, vic."),
        (
            "required: 2, approvers: [ana]",
            "6:23: Gates could never be decided: 2 approvals are required, but only ana may approve.",
        ),
        ("required: 3", "6:23: Gates could never be decided: 3 approvals are required, but only ana and ben may approve."),
        (
            "approvers: [ana], self_approval: false",
            "6:24: Gates could never be decided: without self_approval, requests of ana",
        ),
        ("remind_after: soon", "6:27: approvals.remind_after must be a number, not soon."),
    ],
)
def test_undecidable_gates_are_refused(approvals: str, expected: str) -> None:
    assert problems(f"{PEOPLE}products: [{{name: a, path: a}}]\napprovals: {{{approvals}}}")[0].startswith(expected)


@pytest.mark.parametrize(
    "approvals", ["required: 2", "approvers: [vic]", "approvers: [ana], backups: [ben], self_approval: false"]
)
def test_decidable_gates_are_accepted(approvals: str) -> None:
    assert read(f"{PEOPLE}products: [{{name: a, path: a}}]\napprovals: {{{approvals}}}").people


def test_undecidable_gates_of_a_product_are_refused() -> None:
    assert problems("""\
        products: [{name: a, path: a}, {name: b, path: b}, {name: c, path: c, approvals: {required: 2}}]
        people: [{name: ana, role: approver, slack: U1A, products: [a]}, {name: ben, role: admin, slack: U2B, products: [a, c]}]
        """) == [
        "1:39: b: gates could never be decided: 1 approval is required, but no one may approve.",
        "1:93: c: gates could never be decided: 2 approvals are required, but only ben may approve.",
    ]


def test_without_people_only_one_approval_is_possible() -> None:
    [problem] = problems(with_product("approvals: {required: 2}"))
    assert (
        problem
        == "2:23: Gates could never be decided: 2 approvals are required, and without “people” only the admin can approve."
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("people: [{name: ana, role: boss, slack: U1A}]", "ana: role must be one of viewer, operator, approver, admin, not"),
        ("people: [{name: ana, role: admin}]", "ana has no id on any platform. Add slack, discord, web, terminal or whatsapp."),
        ("people: [{name: ana, role: admin, slack: '@ana'}]", "ana: slack must be a member id such as U01ALICE"),
        ("people: [{name: fleet, role: admin, web: token}]", "fleet is a reserved name. Choose another name."),
        ("people: [{name: ana, role: admin, web: x}, {name: Ana, slack: U1A}]", "A person named Ana is already defined"),
        ("people: [{name: ana, role: admin, web: x}, {name: ben, web: x}]", "ben: the web id x is already defined in line 2."),
        ("people: [{name: ana, role: admin, web: x, products: [b]}]", "ana: unknown product b. Known: a."),
        ("runtimes: [{name: r, kind: dokcer}]", "r: kind must be one of docker, socket, local, rehearsal, not dokcer."),
        ("runtimes: [{name: r, kind: socket}]", "r: socket is missing. Set it to the socket of this runtime's supervisor."),
        ("runtimes: [{name: r, kind: local, container: c}]", "r: container is only for kind: docker."),
        ("runtimes: [{name: r, user: root}]", "r: the engine refuses to run agents as root. Set another user."),
        ("runtimes: [{name: r, host: mini.local}]", "r: host must start with unix://, tcp:// or ssh://."),
        ("runtimes: [{name: r, paths: [{here: /a, there: a}]}]", "r: “there” must be an absolute path, not a."),
        ("quiet_hours: {from: 25:00, to: 7:00}", "quiet_hours.from: must be a time of day such as 22:00."),
        ("quiet_hours: {from: 7:00, to: 7:00}", "quiet_hours: from and to are the same, so no reminder would ever be sent."),
        ("quiet_hours: {from: 1:00, to: 2:00, timezone: Europe/Wien}", "quiet_hours.timezone: Europe/Wien is not a time zone."),
        ("quiet_hours: {from: 1:00, to: 2:00, timezone: ../UTC}", "quiet_hours.timezone: ../UTC is not a time zone."),
        ("schedules: [{name: s, product: b, cron: 0 9 * * *, objective: x}]", "s: unknown product b. Known: a."),
        ("schedules: [{name: s, product: a, cron: 0 9 * *, objective: x}]", "s: cron: must have five fields"),
        ("schedules: [{name: s, product: a, cron: 0 9 30 2 *, objective: x}]", "s: cron: never occurs"),
        ("schedules: [{name: s, product: a, cron: 0 9 * * 1, objective: x}]", "s: cron: write weekdays as names (mon-fri)"),
        ("schedules: [{name: s, product: a, cron: 0 99 * * *, objective: x}]", "s: cron: Error validating expression '99'"),
        ("schedules: [{name: s, product: a, cron: 0 9 * * *, objective: ''}]", "s: objective must not be empty."),
        ("schedules: [{name: s, product: a, cron: 0 9 * * *, objective: x, timezone: Mars}]", "s: timezone: Mars is not"),
        ("scheduling: {resource_budget: {max_weight: 0.5}}", "a: resource_weight (1) is above max_weight (0.5)"),
        ("scheduling: {resource_budget: {max_weight: -1}}", "scheduling.resource_budget.max_weight must be more than 0"),
        ("scheduling: {retries: -1}", "scheduling.retries must be 0 or more, not -1."),
        ("budget: {per_day_usd: 0}", "budget.per_day_usd must be more than 0, not 0."),
        ("budget: {per_work_usd: -2}", "budget.per_work_usd must be more than 0, not -2."),
        ("digest: {time: '25:00'}", "digest.time: must be a time of day such as 22:00."),
        ("digest: {time: '8:00', timezone: Europe/Wien}", "digest.timezone: Europe/Wien is not a time zone."),
        ("agent: {max_steps: 0}", "agent.max_steps must be 1 or more, not 0."),
        ("agent: {max_tokens: many}", "agent.max_tokens must be a whole number, not many."),
        ("aproval: {}", "aproval is not a key of this file. Did you mean approvals?"),
    ],
)  # fmt: skip
def test_invalid_sections_are_refused(more: str, expected: str) -> None:
    [problem] = problems(with_product(more))
    assert problem.split(": ", 1)[1].startswith(expected)


def test_unknown_runtime_is_refused() -> None:
    [problem] = problems("products: [{name: a, path: a, runtime: bx}]\nruntimes: [{name: box}]")
    assert problem == "1:40: a: unknown runtime bx. Did you mean box?"


@pytest.mark.parametrize("name", ["a b", "-a", "a/b", "é", "x" * 65])
def test_invalid_names_are_refused(name: str) -> None:
    [problem] = problems(f"products: [{{name: '{name}', path: a}}]")
    assert "is not a valid name. Use at most 64 letters, digits, dots, dashes and underscores." in problem


# -- files and paths -----------------------------------------------------------------------------------------------------


def test_paths_are_checked_on_request_and_only_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "product-a").mkdir()
    (tmp_path / "notes").write_text("")
    text = """\
        products:
          - {name: a, path: product-a}
          - {name: b, path: ./prodct-a}
          - {name: c, path: notes}
          - {name: d, path: /projects/d, runtime: box}
        runtimes: [{name: here, kind: local}, {name: box}]
        """
    file = tmp_path / "products.yaml"
    assert problems(text, file, check_paths=True) == [
        f"3:21: b: path ./prodct-a does not exist (looked in {tmp_path}). Did you mean product-a?",
        f"4:21: c: path notes is not a folder (looked in {tmp_path}). Create it, or fix the path.",
    ]
    file.write_text(dedent(text))
    assert load(file).products[0].path == str(tmp_path / "product-a")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "products.yaml"
    with pytest.raises(RegistryError, match=r"File not found. Create one with: fleet init"):
        load(file)
    with pytest.raises(RegistryError, match="Cannot read the file: Is a directory"):
        load(tmp_path)
    file.write_bytes(b"products: []\n# caf\xe9\n")
    with pytest.raises(RegistryError, match=r"products.yaml:2:6: Byte 0xE9 is not valid UTF-8. Save the file as UTF-8."):
        load(file)
    file.write_bytes("\ufeffproducts: []\r\n".encode())
    assert load(file).products == ()


# -- following a file ----------------------------------------------------------------------------------------------------


class Followed:
    """A registry file that is edited, with a log of its callbacks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "products.yaml"
        self.heard: list[tuple[int, int]] = []
        self.minute = 0
        self.write("products: [{name: a, path: a}]")
        self.file = RegistryFile(self.path, on_change=self.hear, clock=lambda: NOON + timedelta(minutes=self.minute))

    def hear(self, file: RegistryFile) -> None:
        self.heard.append((len(file.current.products), len(file.problems)))

    def write(self, text: str) -> None:
        """Replace the file, as editors do."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    def edit(self, text: str) -> bool:
        self.minute += 1
        self.write(text)
        return self.file.reload()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_change_is_loaded(followed: Followed) -> None:
    before = followed.file.current
    assert followed.file.reload() is False
    assert followed.edit("products: [{name: a, path: a}, {name: b, path: b}]") is True
    assert followed.file.current.names == ("a", "b")
    assert followed.file.current.loaded_at == NOON + timedelta(minutes=1)
    assert before.names == ("a",)
    assert followed.heard == [(2, 0)]


def test_invalid_change_keeps_the_last_valid_registry(followed: Followed) -> None:
    assert followed.edit("products: [{name: a}]") is False
    assert followed.file.current.names == ("a",)
    assert [str(problem) for problem in followed.file.problems] == [f"{followed.path}:1:12: a: path is missing."]
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: [") is False
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: []") is True
    assert not followed.file.problems
    assert followed.file.since is None
    assert followed.heard == [(1, 1), (1, 1), (0, 0)]


def test_restoring_the_text_clears_the_problems(followed: Followed) -> None:
    followed.edit("nonsense")
    followed.edit("products: [{name: a, path: a}]")
    assert followed.file.problems == ()


def test_briefly_missing_file_is_ignored(followed: Followed) -> None:
    text = followed.path.read_text()
    followed.path.unlink()
    assert followed.file.reload() is False
    assert followed.file.problems == ()
    followed.write(text)
    followed.file.reload()
    assert followed.file.problems == ()


def test_missing_file_is_reported(followed: Followed) -> None:
    followed.path.unlink()
    for _ in range(3):
        followed.file.reload()
    assert followed.file.current.names == ("a",)
    assert "File not found" in followed.file.problems[0].message
    assert followed.heard == [(1, 1)]


def test_watching_an_invalid_file_raises(tmp_path: Path) -> None:
    with pytest.raises(RegistryError):
        RegistryFile(tmp_path / "products.yaml")


# -- any text ------------------------------------------------------------------------------------------------------------

WORDS = """\
products people approvals budget runtimes schedules quiet_hours agent scheduling name path type role channels required approvers
a code slack:#x web:x 1 -1 0 1e9 true ~ 22:00 * & ! [ ] { } - : , ' " | > # % @ ` ? << &a *a !!str --- ... \\n é 😀"""
WORD = st.sampled_from([*WORDS.split(), "\t", "\n", "\r", "\x85"])
KEYS = [word for word in WORDS.split() if word.isidentifier()] + [
    "backups",
    "socket",
    "kind",
    "cron",
    "from",
    "to",
    "paths",
    "web",
]
SHAPES = st.recursive(
    st.one_of(WORD, st.none(), st.integers(-2, 3), st.sampled_from(["admin", "docker", "0 9 * * *", "07:00", "\0"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)),
    max_leaves=30,
)
TEXTS = st.one_of(
    st.dictionaries(st.sampled_from(KEYS[:9]), SHAPES).map(json.dumps),
    st.text(),
    st.lists(st.one_of(WORD, st.sampled_from(["\n", "\n  ", "\n  - ", ": ", " ", ", "])), max_size=40).map("".join),
    st.builds(
        lambda at, length, put: SEED[:at] + put + SEED[at + length :],
        st.integers(0, len(SEED)), st.integers(0, 20), st.one_of(st.text(max_size=8), WORD),
    ),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_loads_or_is_refused_with_valid_positions(text: str) -> None:
    try:
        registry = parse(text, HERE)
    except RegistryError as error:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert error.problems
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert problem.message
    else:
        assert len(set(registry.names)) == len(registry.names)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content)
    try:
        load(file)
    except RegistryError as error:
        assert error.problems
