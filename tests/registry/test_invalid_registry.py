"""Problems of invalid registries, each with its message and position."""

import pytest

from tests.registry.reading import problems, read, with_product


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
