"""`cockroach node decommission` and `node recommission`: marks nodes, follows their replicas, says when they are gone.

Tables go to standard output; warnings, dots, empty lines and blocking ranges to standard error, as the vendor's.
Without --wait=none it follows without bound. Not here: what nodes answer (admin.py), `node drain` (drain.py).
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from devtools.cockroach import client, drain, flags, release, rows, wire
from devtools.cockroach.failure import BAD_FLAG, RemoteError, VerbError
from devtools.cockroach.roster import ACTIVE, DECOMMISSIONED, DECOMMISSIONING

_FIRST_PAUSE_SECONDS = 0.005
_MOST_PAUSE_SECONDS = 20.0
_STALL_ROUNDS = 15
_REPORTED = 5
_DONE = "No more data reported on target nodes. Please verify cluster health before removing the nodes."

Ask = Callable[[str, dict[str, Any]], Any]


def _is_from(series: str) -> bool:
    return release.position(release.series_of(release.running_version())) >= release.position(series)


def run(args: list[str]) -> int:
    """Let nodes leave."""
    known = client.FLAGS | {"wait": flags.VALUE, "self": flags.SWITCH}
    if _is_from("23.1"):
        known |= {"checks": flags.VALUE, "dry-run": flags.SWITCH}
    given = flags.parse(args, known=known, short=client.SHORT)
    wait = _choice(given, "wait", ("all", "none"))
    checks = _choice(given, "checks", ("enabled", "skip", "strict")) if _is_from("23.1") else "skip"
    form = rows.chosen(given.one("format"))
    if not given.words and not given.on("self"):
        raise VerbError("no node ID specified")
    nodes = _ids(given.words)
    ask = _asking(client.Target(given))
    nodes = _targets(ask, nodes, is_self=given.on("self"), expects=ACTIVE)
    leaving = Leaving(ask, nodes, form=form, checks=checks)
    if not leaving.check(is_dry=given.on("dry-run")):
        return 0
    leaving.follow(is_once=wait == "none")
    return 0


def recommission(args: list[str]) -> int:
    """Keep nodes that were about to leave."""
    given = flags.parse(args, known=client.FLAGS | {"self": flags.SWITCH}, short=client.SHORT)
    form = rows.chosen(given.one("format"))
    if not given.words and not given.on("self"):
        raise VerbError("no node ID specified; use --self to target the node specified with --host")
    nodes = _ids(given.words)
    ask = _asking(client.Target(given))
    nodes = _targets(ask, nodes, is_self=given.on("self"), expects=DECOMMISSIONING)
    try:
        answer = ask(wire.DECOMMISSION, {"nodes": nodes, "to": ACTIVE})
    except RemoteError as error:
        if error.code == "FailedPrecondition":
            raise VerbError(error.message) from error
        raise _worded(error) from error
    _print(answer["status"], form=form)
    return 0


class Leaving:
    """One command's nodes on their way out."""

    def __init__(
        self, ask: Ask, nodes: list[int], *, form: str, checks: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._ask = ask
        self._nodes = nodes
        self._form = form
        self._checks = checks
        self._pause = pause
        self._checked: dict[int, dict[str, Any]] | None = None

    def check(self, *, is_dry: bool) -> bool:
        """Run the checks that are asked for; whether to go on.

        Raises:
            VerbError: replicas could not leave.
        """
        self._read_checks()
        is_ready = all(
            facts["readiness"] in ("ready", "already decommissioned") for facts in (self._checked or {}).values()
        )
        if is_ready and not is_dry:
            return True
        answer = self._asked(
            wire.DECOMMISSION_STATUS, {"nodes": self._nodes}, "while trying to check decommission status"
        )
        _say("\n")
        _print(answer["status"], form=self._form, checked=self._checked)
        if is_ready:
            return False
        self._say_blocking()
        raise VerbError("Cannot decommission nodes.")

    def follow(self, *, is_once: bool) -> None:
        """Mark the nodes again and again until no replica is left on them, and finish them then."""
        before: list[dict[str, Any]] = []
        same, report, fewest, pause = 0, 0, sys.maxsize, _FIRST_PAUSE_SECONDS
        while True:
            asked = {"nodes": self._nodes, "to": DECOMMISSIONING, "report": report}
            answer = self._asked(wire.DECOMMISSION, asked, "while trying to mark as decommissioning")
            stands = [{**facts, "reported": []} for facts in answer["status"]]
            if report:
                _say_stall(answer["status"])
            if stands != before:
                _say("\n")
                _print(stands, form=self._form, checked=self._checked)
                before, same, report = stands, 0, 0
            else:
                _say(".")
                if same >= _STALL_ROUNDS and not report:
                    report = _REPORTED
                    self._read_checks()
                else:
                    same += 1
            left = sum(int(facts["replicas"]) for facts in stands)
            if not left and all(facts["membership"] != ACTIVE for facts in stands):
                self._finish(stands, local=int(answer["local"]))
                return
            if is_once:
                return
            if left < fewest:
                fewest, pause = left, _FIRST_PAUSE_SECONDS
            self._pause(pause)
            pause = min(pause * 2, _MOST_PAUSE_SECONDS)

    def _finish(self, stands: list[dict[str, Any]], *, local: int) -> None:
        for facts in stands:
            node = facts["id"]
            if node == local:
                _say(f"skipping drain step for node n{node}; it is decommissioning and serving the request\n")
            elif not facts["is_live"]:
                _say(f"skipping drain step for node n{node}; it is not live\n")
            else:
                _say(f"draining node n{node}\n")
                try:
                    drain.follow(self._ask, node, seconds=drain.DEFAULT_SECONDS)
                    _say(f"node n{node} drained successfully\n")
                except VerbError:
                    _say(f"drain step for node n{node} failed; decommissioning anyway\n")
        asked = {"nodes": self._nodes, "to": DECOMMISSIONED}
        self._asked(wire.DECOMMISSION, asked, "while trying to mark as decommissioned")
        sys.stdout.write(f"\n{_DONE}\n")

    def _read_checks(self) -> None:
        if self._checks == "skip":
            return
        asked = {"nodes": self._nodes, "strict": self._checks == "strict"}
        answer = self._asked(wire.DECOMMISSION_CHECK, asked, "while trying to check decommission readiness")
        self._checked = {facts["id"]: facts for facts in answer["nodes"]}

    def _say_blocking(self) -> None:
        _say("\nranges blocking decommission detected\n")
        lines = [
            f'n{node} has {count} replicas blocked with error: "{error}"\n'
            for node, facts in (self._checked or {}).items()
            for error, count in facts["errors"].items()
        ]
        for line in lines[:_REPORTED]:
            _say(line)
        if len(lines) > _REPORTED:
            _say("...more blocking errors detected.\n")
        _say("\n")

    def _asked(self, method: str, params: dict[str, Any], what: str) -> Any:
        try:
            return self._ask(method, params)
        except RemoteError as error:
            if error.code != "NotFound":
                _say("\n")
            raise _worded(error, what=what) from error


def _choice(given: flags.Flags, name: str, choices: tuple[str, ...]) -> str:
    value = given.one(name, default=choices[0])
    if value not in choices:
        raise VerbError(
            f'invalid argument "{value}" for "--{name}" flag: invalid node decommission parameter: {value} '
            f"(possible values: {', '.join(choices)})",
            code=BAD_FLAG,
        )
    return value


def _ids(words: list[str]) -> list[int]:
    for word in words:
        if not word.removeprefix("-").isdigit():
            raise VerbError(f'unable to parse {word}: strconv.ParseInt: parsing "{word}": invalid syntax')
    return [int(word) for word in words]


def _asking(target: client.Target) -> Ask:
    """A question to the node; everything but its own errors is worded for a person."""

    def ask(method: str, params: dict[str, Any]) -> Any:
        return target.must_ask(method, params, is_worded=False)

    return ask


def _targets(ask: Ask, nodes: list[int], *, is_self: bool, expects: str) -> list[int]:
    """The nodes that are meant; says what is unexpected about them."""
    if is_self and nodes:
        raise VerbError("cannot use --self with an explicit list of node IDs")
    try:
        answer = ask(wire.DECOMMISSION_STATUS, {"nodes": []})
    except RemoteError as error:
        raise client.worded(error) from error
    nodes = nodes or [int(answer["local"])]
    for node in nodes:
        facts = answer["nodes"].get(str(node))
        if facts is None:
            _say(f"warning: cannot find status of node {node}\n")
        elif expects == ACTIVE and facts["membership"] != ACTIVE:
            _say(f"warning: node {node} is already decommissioning or decommissioned\n")
        elif expects != ACTIVE and facts["membership"] == ACTIVE:
            what = "is not decommissioned" if facts["is_live"] else "is in unexpected state NODE_STATUS_DEAD"
            _say(f"warning: node {node} {what}\n")
    return nodes


def _worded(error: RemoteError, *, what: str = "") -> VerbError:
    if error.code == "NotFound":
        return VerbError("node does not exist")
    worded = client.worded(error)
    return VerbError(f"{what}: {worded.message}" if what else worded.message, sqlstate=error.sqlstate)


def _print(stands: list[dict[str, Any]], *, form: str, checked: dict[int, dict[str, Any]] | None = None) -> None:
    columns = ["id", "is_live", "replicas", "is_decommissioning", "membership", "is_draining"]
    if not _is_from("20.2"):
        columns.remove("membership")
    columns += ["readiness", "blocking_ranges"] if checked is not None else []
    table = []
    for facts in stands:
        check = (checked or {}).get(facts["id"], {"readiness": "unknown", "errors": {}})
        row = facts | {
            "is_decommissioning": facts["membership"] != ACTIVE,
            "readiness": check["readiness"],
            "blocking_ranges": sum(check["errors"].values()),
        }
        table.append([row[name] for name in columns])
    sys.stdout.write(rows.render(columns, table, form=form, numeric=[0, 2]))
    sys.stdout.flush()


def _say_stall(stands: list[dict[str, Any]]) -> None:
    _say("\npossible decommission stall detected\n")
    for facts in stands:
        for replica, number in facts["reported"]:
            _say(f"n{facts['id']} still has replica id {replica} for range r{number}\n")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
