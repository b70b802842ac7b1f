"""The database's words: which command is run, and what each answer means."""

from __future__ import annotations

import pytest

from activities.clients.execution import Ran, exit_code
from activities.clients.roach import RoachNodes
from activities.ports import Decommissioning
from domain.errors import BrokenError, NotReadyError, OpsError, RefusedError, TransientError
from domain.model import NodeRef
from tests.activities.world import World

WORLD = World()
WAITING = Ran(1, "", 'ERROR: node waiting for init; Nodes not available\nFailed running "node status"\n')
ROWS = """\
id,address,sql_address,build,locality,attrs,is_available,is_live
1,a:26257,a:26257,v25.2.3,,[],true,true
2,NULL,NULL,NULL,NULL,[],false,false
"""


class Shell:
    """Plays exec: answers by the first word that the command holds."""

    def __init__(self, **answers: Ran | OpsError) -> None:
        self.answers = answers
        self.commands: list[list[str]] = []

    async def run(self, namespace: str, pod: str, *, container: str, command: list[str], seconds: float) -> Ran:
        assert (namespace, pod, container) == ("crdb", "cockroachdb-client-secure", "cockroachdb-client")
        self.commands.append(command)
        answer = next(found for word, found in self.answers.items() if word in command)
        if isinstance(answer, OpsError):
            raise answer
        return answer


async def ask(shell: Shell) -> tuple[str, str, str]:
    found = await RoachNodes(shell).ask(WORLD.ref, NodeRef(ordinal=1), domain="cluster.local")
    return found.state, found.cluster_id, found.detail


async def test_every_call_is_bounded_and_names_its_node() -> None:
    shell = Shell(node=WAITING)

    await ask(shell)

    assert shell.commands == [
        [
            "timeout",
            "-k",
            "5",
            "10",
            "/cockroach/cockroach",
            "node",
            "status",
            "--all",
            "--format=csv",
            "--certs-dir=/cockroach/cockroach-certs",
            "--host=cockroachdb-1.cockroachdb.crdb.svc.cluster.local:26257",
        ]
    ]


@pytest.mark.parametrize(
    ("node", "sql", "found"),
    [
        pytest.param(WAITING, WAITING, ("waiting-for-init", "", ""), id="waits for init"),
        pytest.param(
            Ran(0, ROWS, ""), Ran(0, "crdb_internal.cluster_id\n0f6d\n", ""), ("serving", "0f6d", ""), id="serves"
        ),
        pytest.param(
            Ran(0, ROWS, ""),
            Ran(1, "", 'ERROR: not accepting clients\nFailed running "sql"\n'),
            ("unreachable", "", "sql on cockroachdb-1: ERROR: not accepting clients"),
            id="serves but no SQL yet",
        ),
        pytest.param(Ran(124, "", ""), WAITING, ("unreachable", "", "no answer within 10 s"), id="hangs"),
        pytest.param(Ran(137, "", ""), WAITING, ("unreachable", "", "no answer within 10 s"), id="had to be killed"),
        pytest.param(
            Ran(1, "", "ERROR: cannot dial server.\nIs the server running?\n"),
            WAITING,
            ("unreachable", "", "ERROR: cannot dial server. Is the server running?"),
            id="is down",
        ),
        pytest.param(
            Ran(2, "", ""), WAITING, ("unreachable", "", "exit code 2 without a word"), id="ends without a word"
        ),
        pytest.param(
            TransientError("kubernetes.unreachable", "broke off"), WAITING, ("unreachable", "", "broke off"), id="exec"
        ),
    ],
)
async def test_whatever_a_node_answers_is_an_answer(
    node: Ran | OpsError, sql: Ran, found: tuple[str, str, str]
) -> None:
    assert await ask(Shell(node=node, sql=sql)) == found


async def test_rows_are_read_by_name_and_null_is_empty() -> None:
    rows = await RoachNodes(Shell(node=Ran(0, ROWS, ""))).rows(WORLD.ref, NodeRef(ordinal=0), domain="cluster.local")

    assert [(row["id"], row["address"], row["is_live"]) for row in rows] == [
        ("1", "a:26257", "true"),
        ("2", "", "false"),
    ]


@pytest.mark.parametrize(
    ("ran", "outcome"),
    [
        (Ran(0, "Cluster successfully initialized\n", ""), "initialized"),
        (Ran(1, "", 'ERROR: cluster has already been initialized\nFailed running "init"\n'), "already"),
    ],
    ids=["now", "before"],
)
async def test_init_succeeds_now_or_has_before(ran: Ran, outcome: str) -> None:
    shell = Shell(init=ran)

    assert await RoachNodes(shell).initialize(WORLD.ref, NodeRef(ordinal=0), domain="cluster.local") == outcome
    assert shell.commands[0][:5] == ["timeout", "-k", "5", "80", "/cockroach/cockroach"]


async def test_a_failed_init_is_retried_and_says_why() -> None:
    with pytest.raises(TransientError) as failed:
        await RoachNodes(Shell(init=Ran(124, "", "warning: node not ready"))).initialize(
            WORLD.ref, NodeRef(ordinal=0), domain="cluster.local"
        )

    assert failed.value.code == "init.failed"
    assert "no answer within 80 s" in failed.value.message


@pytest.mark.parametrize("code", ["kubernetes.not-found", "kubernetes.invalid", "kubernetes.unavailable"])
async def test_without_a_running_client_pod_the_world_is_not_ready(code: str) -> None:
    with pytest.raises(NotReadyError) as early:
        await ask(Shell(node=BrokenError(code, "no pod")))

    assert early.value.code == "nodes.no-client-pod"


async def test_a_missing_right_to_exec_is_no_answer_of_a_node() -> None:
    with pytest.raises(RefusedError):
        await ask(Shell(node=RefusedError("kubernetes.forbidden", "cannot exec")))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (b'{"status":"Success"}', 0),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"124"}]}}', 124),
    ],
)
def test_the_exit_code_is_read_from_the_status(status: bytes, code: int) -> None:
    assert exit_code(status, what="exec") == code


def test_a_connection_without_a_status_broke_off() -> None:
    with pytest.raises(TransientError):
        exit_code(b"", what="exec")
    with pytest.raises(BrokenError):
        exit_code(b'{"status":"Failure","message":"cannot start"}', what="exec")


# --- members ---

TABLE = """\
id,is_live,replicas,is_decommissioning,membership,is_draining
4,true,12,true,decommissioning,false
id,is_live,replicas,is_decommissioning,membership,is_draining
4,true,0,true,decommissioning,false

No more data reported on target nodes. Please verify cluster health before removing the nodes.
"""


async def decommission(shell: Shell, **changes: object) -> Decommissioning:
    given = {"ids": (4, 5), "checks": "enabled", **changes}
    return await RoachNodes(shell).decommission(WORLD.ref, NodeRef(ordinal=0), domain="d", **given)  # type: ignore[arg-type]


async def test_all_nodes_leave_in_one_command_that_does_not_wait() -> None:
    shell = Shell(decommission=Ran(0, TABLE, ""))

    found = await decommission(shell)

    assert shell.commands[0][4:11] == [
        "/cockroach/cockroach",
        "node",
        "decommission",
        "4",
        "5",
        "--wait=none",
        "--format=csv",
    ]
    assert "--checks=enabled" in shell.commands[0]
    assert [row["replicas"] for row in found.rows] == ["0"]


async def test_a_trial_says_so_and_an_old_release_gets_no_flag_that_it_does_not_know() -> None:
    shell = Shell(decommission=Ran(0, TABLE, ""))

    await decommission(shell, is_trial=True)
    await decommission(shell, checks="")

    assert "--dry-run" in shell.commands[0]
    assert not any(word.startswith("--checks") or word == "--dry-run" for word in shell.commands[1])


async def test_what_blocks_a_decommission_is_named_by_its_lines() -> None:
    told = "ranges blocking decommission detected\nn4 has 3 replicas blocked with error: no target\n"
    shell = Shell(decommission=Ran(1, told, "ERROR: Cannot decommission nodes.\n"))

    found = await decommission(shell)

    assert found.blocked == ("n4 has 3 replicas blocked with error: no target",)


@pytest.mark.parametrize(
    ("ran", "kind", "code"),
    [
        pytest.param(Ran(1, "", "ERROR: node does not exist\n"), BrokenError, "nodes.unknown", id="unknown node"),
        pytest.param(Ran(124, "", ""), TransientError, "nodes.no-answer", id="no answer"),
    ],
)
async def test_a_decommission_that_fails_says_how(ran: Ran, kind: type[OpsError], code: str) -> None:
    with pytest.raises(kind) as caught:
        await decommission(Shell(decommission=ran))

    assert caught.value.code == code


async def test_a_node_is_taken_back_unless_it_is_decommissioned_for_good() -> None:
    gone = "ERROR: can only recommission a decommissioning node; n4 found to be decommissioned\n"

    back = await RoachNodes(Shell(recommission=Ran(0, "", ""))).recommission(
        WORLD.ref, NodeRef(ordinal=0), domain="d", member=4
    )
    too_late = await RoachNodes(Shell(recommission=Ran(1, "", gone))).recommission(
        WORLD.ref, NodeRef(ordinal=0), domain="d", member=4
    )

    assert (back, too_late) == (True, False)


@pytest.mark.parametrize(
    ("ran", "is_done"),
    [
        pytest.param(Ran(0, "ok\n", "node is draining... remaining: 0 (complete)\n"), True, id="drained"),
        pytest.param(Ran(1, "", "ERROR: drain timeout\n"), False, id="its own time-out"),
        pytest.param(Ran(124, "", "node is draining... remaining: 50\n"), False, id="ours"),
    ],
)
async def test_a_drain_that_needs_longer_is_no_failure(ran: Ran, is_done: bool) -> None:
    found = await RoachNodes(Shell(drain=ran)).drain(WORLD.ref, NodeRef(ordinal=0), domain="d", member=4)

    assert found is is_done
