"""Messages and views of realistic size and content, as the tiny bot sends them."""

from __future__ import annotations

import time
from typing import Any

Json = dict[str, Any]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": True}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(text: str, **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(text), **more}


def context(*texts: str) -> Json:
    return {"type": "context", "elements": [mrkdwn(text) for text in texts]}


def button(text: str, action_id: str, **more: Any) -> Json:
    return {"type": "button", "text": plain(text), "action_id": action_id, **more}


def confirm(title: str, text: str, yes: str) -> Json:
    return {"title": plain(title), "text": mrkdwn(text), "confirm": plain(yes), "deny": plain("Not now")}


def clock(seconds: float) -> str:
    return f"<!date^{int(seconds)}^{{date_short_pretty}} {{time}}|{int(seconds)}>"


def help_blocks() -> list[Json]:
    lines = [
        "`/crdb deploy nodes=3`  make a cluster, or go on with one",
        "`/crdb scale 5`  change the number of nodes",
        "`/crdb upgrade v25.2.3`  roll to another version",
        "`/crdb status`  how it is now",
        "`/crdb approvals`  what waits for you",
    ]
    buttons = [
        button("Deploy…", "open_deploy", style="primary"),
        button("Scale…", "open_scale"),
        button("Status", "status"),
    ]
    return [
        section("*What `/crdb` can do*\n" + "\n".join(lines)),
        {"type": "actions", "block_id": "help", "elements": buttons},
        context("<https://example.com/docs|Documentation> · version 2026.11"),
    ]


def progress_blocks(user: str) -> list[Json]:
    steps = [
        ":white_check_mark: Preflight  _12 s_",
        ":white_check_mark: Certificate authority  _1 s_",
        ":white_check_mark: Objects applied  _3 s_",
        ":hourglass_flowing_sand: *Certificates*  2 of 4 issued, waiting for a person",
        ":white_circle: Nodes running, volumes bound",
        ":white_circle: Client pod",
        ":white_circle: Initialize once",
        ":white_circle: Ready, SQL answers",
    ]
    cancel = confirm(
        "Cancel the deploy?", "It stops before the next step. Nothing that exists is deleted.", "Cancel it"
    )
    buttons = [
        button("Review 2 requests", "details", style="primary"),
        button("Details", "details2"),
        button("Cancel", "cancel", style="danger", confirm=cancel),
        {
            "type": "overflow",
            "action_id": "more",
            "options": [
                {"text": plain("Open in Temporal"), "value": "temporal"},
                {"text": plain("Show the plan"), "value": "plan"},
            ],
        },
    ]
    return [
        {"type": "header", "text": plain(":hourglass_flowing_sand: Deploy crdb: 3 nodes, v25.2.3")},
        context(f"asked by <@{user}>, {clock(time.time())}", "`deploy-crdb-7f3a`"),
        section("`████████░░░░░░░░░░░░` 4 of 8 · *certificates* · 2 min"),
        section("\n".join(steps)),
        {"type": "actions", "block_id": "operation", "elements": buttons},
    ]


def csr_blocks() -> list[Json]:
    fields = [
        "*Pod*\n`cockroachdb-1` in `crdb-prod`",
        "*Subject*\n`CN=node, O=Cockroach`",
        "*DNS names (9)*\n`localhost`, `cockroachdb-1.cockroachdb.crdb-prod.svc`, `cockroachdb-public`, …",
        "*IP names*\n`127.0.0.1`",
        "*Requested by*\n`system:serviceaccount:crdb-prod:cockroachdb`\npod uid `5e1f…9c02`",
        "*Key*\nECDSA P-256, signature fine",
        "*Asked for*\n`crdbops.internal/node`, 1 year",
        "*Age, name*\n40 s, `crdb-prod.node.cockroachdb-1`",
    ]
    checks = [
        ":white_check_mark: Signature proves the key",
        ":white_check_mark: Subject is exactly `CN=node, O=Cockroach`",
        ":white_check_mark: Names are those of this pod, no more and no fewer",
        ":white_check_mark: Asked with this pod's own token",
        ":warning: Asked for 2 years, policy gives 1: will be cut",
    ]
    repeat = "Pod `cockroachdb-1`\nFingerprint `3f9a02c1…77be410d`\n\nThe signer issues at once."
    asks = confirm("Sign this certificate?", repeat, "Approve")
    buttons = [
        button("Approve", "approve", style="primary", value="w|r|a", confirm=asks),
        button("Deny…", "deny", style="danger", value="w|r|a"),
        button("Details", "details", value="w|r|a"),
    ]
    return [
        {"type": "header", "text": plain("Sign certificate for node crdb-1 (2 of 3)")},
        {"type": "section", "fields": [mrkdwn(field) for field in fields]},
        section("*Fingerprint* `3f9a02c1…77be410d`"),
        {"type": "divider"},
        section("\n".join(checks)),
        section("*12 of 13 checks pass, 1 needs a look*"),
        context(f"0 of 1 from <!subteam^S0APPROVERS>, not <@U0ERIN> · until {clock(time.time() + 3600)}"),
        {"type": "actions", "block_id": "decision", "elements": buttons},
    ]


def approved_blocks(blocks: list[Json], *, user: str) -> list[Json]:
    done = section(f":white_check_mark: Approved by <@{user}> {clock(time.time())}, issuing…")
    return [*blocks[:-2], done]


def deny_view() -> Json:
    options = [
        {"text": plain("I did not expect this pod"), "value": "unexpected"},
        {"text": plain("Names are wrong"), "value": "names"},
        {"text": plain("Something else"), "value": "else"},
    ]
    field = {"type": "plain_text_input", "action_id": "text", "multiline": True, "min_length": 5, "max_length": 500}
    return {
        "type": "modal",
        "callback_id": "deny",
        "notify_on_close": True,
        "title": plain("Deny the request"),
        "submit": plain("Deny"),
        "close": plain("Back"),
        "private_metadata": "w|r|a",
        "blocks": [
            section(
                "Pod `cockroachdb-1` in `crdb-prod` gets no certificate. It asks again only when somebody says so."
            ),
            {
                "type": "input",
                "block_id": "preset",
                "optional": True,
                "label": plain("What is it?"),
                "element": {"type": "radio_buttons", "action_id": "choice", "options": options},
            },
            {
                "type": "input",
                "block_id": "reason",
                "label": plain("Reason"),
                "hint": plain("Goes to the request in Kubernetes as well."),
                "element": field,
            },
        ],
    }


def details_view() -> Json:
    def rich(*elements: Json) -> Json:
        return {"type": "rich_text", "elements": list(elements)}

    nodes = [
        ["1", "cockroachdb-0", "live", "84"],
        ["2", "cockroachdb-1", "live", "83"],
        ["3", "cockroachdb-2", "waiting", "0"],
    ]
    items = [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": name, "style": {"code": True}}]}
        for name in ("cockroachdb-1.cockroachdb", "cockroachdb-public", "localhost")
    ]
    pem = "-----BEGIN CERTIFICATE REQUEST-----\nMIIBhTCCASsCAQAwIzES\n-----END CERTIFICATE REQUEST-----"
    return {
        "type": "modal",
        "callback_id": "details",
        "title": plain("Request in detail"),
        "close": plain("Close"),
        "blocks": [
            {"type": "header", "text": plain("crdb-prod.node.cockroachdb-1")},
            rich(
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "All names it asks for:"}]},
                {"type": "rich_text_list", "style": "bullet", "elements": items},
                {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": pem}]},
            ),
            context("Columns: id, pod, state, ranges"),
            *[section(" · ".join(row)) for row in nodes],
        ],
    }


def table_blocks() -> list[Json]:
    rows = [["Node", "State", "Ranges"], ["cockroachdb-0", "live", "84"], ["cockroachdb-1", "draining", "83"]]
    cells = [[{"type": "raw_text", "text": cell} for cell in row] for row in rows]
    return [
        {"type": "table", "rows": cells, "column_settings": [{"align": "left"}, {"align": "left"}, {"align": "right"}]}
    ]


def home_view() -> Json:
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": plain("Your roles")},
            section("*Approver*, because you are in <!subteam^S0APPROVERS>"),
            {"type": "divider"},
            {"type": "header", "text": plain("Waiting for you")},
            section(
                "Sign certificate for node crdb-1\n_4 min, asked by <@U0ERIN>_", accessory=button("Review", "details")
            ),
            {"type": "header", "text": plain("Clusters")},
            section(":large_green_circle: *crdb-prod*  3 nodes, v25.2.3"),
            context("version 2026.11 · <https://example.com/docs|docs>"),
        ],
    }
