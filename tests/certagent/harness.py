"""Runs certagent as a pod would: its directories, its token, its arguments; in a thread, or as a process to be killed.

The API server it talks to is `fake_api.py`; its CA is `authority.py`.
"""

import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from certagent.__main__ import main
from certagent.pace import Pace
from tests.certagent.authority import CLIENT, Authority, Wish
from tests.certagent.fake_api import FakeApi, Fault, Identity

FAST = Pace(
    heartbeat=0.5,
    reread_after=30,
    file_poll=0.02,
    request_timeout=5,
    watch_grace=2,
    retry_delays=(0.01, 0.01, 0.01, 0.01),
    longest_retry_after=0.05,
    shortest_watch=0.01,
    longest_pause=0.05,
)
NAMES = ("localhost", "cockroachdb-0.cockroachdb.shop", "cockroachdb-public")
Line = dict[str, Any]


class Lines(io.TextIOBase):
    """A log that can be waited for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.text = ""

    def write(self, text: str) -> int:
        with self.changed:
            self.text += text
            self.changed.notify_all()
        return len(text)

    def all(self) -> list[Line]:
        return [json.loads(line) for line in self.text.splitlines(keepends=True) if line.endswith("\n")]

    def events(self) -> list[str]:
        return [line["event"] for line in self.all()]

    def until(self, event: str, *, times: int = 1) -> Line:
        def found() -> list[Line]:
            return [line for line in self.all() if line["event"] == event]

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= times, timeout=20), f"no {event!r} in:\n{self.text}"
            return found()[times - 1]


class Run:
    """One run in a thread."""

    def __init__(self, arguments: list[str], *, pace: Pace) -> None:
        self.log = Lines()
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(arguments, pace), daemon=True)
        self._thread.start()

    def _run(self, arguments: list[str], pace: Pace) -> None:
        self._code = main(arguments, stream=self.log, pace=pace)  # type: ignore[arg-type]

    def exit_code(self) -> int:
        self._thread.join(timeout=20)
        assert self._code is not None, f"still running:\n{self.log.text}"
        return self._code


class Process:
    """One run as a process of its own, with certagent's own pace."""

    def __init__(self, arguments: list[str]) -> None:
        self.log = Lines()
        command = [sys.executable, "-m", "certagent", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.write(line)

    def exit_code(self) -> int:
        code = self.process.wait(timeout=30)
        self._reader.join()
        if self.process.stderr:
            self.process.stderr.close()
        return code

    def kill(self) -> None:
        self.process.kill()
        self.exit_code()


class Pod:
    """A pod with a volume; `again()` is its successor of the same name on the same volume."""

    def __init__(self, root: Path, *, api: FakeApi, authority: Authority, uid: str = "pod-uid-1") -> None:
        self.root, self.api, self.authority, self.uid = root, api, authority, uid
        self.certs, self.store, self.ca_file = root / f"certs-{uid}", root / "store", root / "ca.crt"
        self.ask_again_file, self.termination = root / f"ask-again-{uid}", root / f"termination-{uid}"
        self.token, self.token_file = f"token-of-{uid}", root / f"token-{uid}"
        self.store.mkdir(exist_ok=True)
        self.termination.touch()
        self.ca_file.write_bytes(authority.pem)
        self.token_file.write_text(self.token)
        self.identity = Identity("system:serviceaccount:shop:cockroachdb", pod="cockroachdb-0", pod_uid=uid)
        api.identities[self.token] = self.identity
        self.runs: list[Run] = []
        self.processes: list[Process] = []
        self.successors: list[Pod] = []

    def arguments(self) -> list[str]:
        values = {
            "--type": "node",
            "--pod": "cockroachdb-0",
            "--signer-name": "crdbops.internal/node",
            "--store-dir": self.store,
            "--ip-address": "127.0.0.1",
        }
        return self._written(values) + [text for name in NAMES for text in ("--dns-name", name)]

    def _written(self, own: dict[str, object]) -> list[str]:
        values = own | {
            "--cluster": "shop",
            "--namespace": "shop",
            "--pod-uid": self.uid,
            "--ca-file": self.ca_file,
            "--certs-dir": self.certs,
            "--ask-again-file": self.ask_again_file,
            "--termination-log": self.termination,
            "--api-server": self.api.url,
            "--token-file": self.token_file,
            "--api-ca-file": self.api.ca_file,
        }
        return [str(text) for pair in values.items() for text in pair]

    def start(self, *, pace: Pace = FAST) -> Run:
        self.runs.append(Run(self.arguments(), pace=pace))
        return self.runs[-1]

    def ask_and_end(self) -> None:
        """Let a run ask and end without a decision, as one that is restarted."""
        fault = Fault("watch=", 500, times=len(FAST.retry_delays) + 1)
        self.api.faults.append(fault)
        assert self.start().exit_code() == 1
        assert self.csr in self.api.csrs

    def start_process(self) -> Process:
        self.processes.append(Process(self.arguments()))
        return self.processes[-1]

    def again(self, uid: str) -> "Pod":
        self.successors.append(type(self)(self.root, api=self.api, authority=self.authority, uid=uid))
        return self.successors[-1]

    def wish(self) -> Wish:
        return Wish(names=NAMES, addresses=("127.0.0.1",))

    def certificate_for(self, csr: str) -> bytes:
        return self.authority.issue_for(self.api.request_pem(csr), self.wish())

    def issue(self, csr: str) -> None:
        self.api.issue(csr, self.certificate_for(csr))

    def until_hashed_csr(self) -> str:
        """Return the name of a CSR with a hash behind its name, once there is one."""
        prefix = f"{self.csr}."
        name: str = self.api.until(
            lambda: next((name for name in self.api.csrs if name.startswith(prefix)), ""), what=f"{prefix}<hash>"
        )
        return name

    @property
    def csr(self) -> str:
        return "shop.node.cockroachdb-0"

    def files(self) -> dict[str, str]:
        if not self.certs.exists():
            return {}
        return {path.name: f"{path.stat().st_mode & 0o777:o}" for path in sorted(self.certs.iterdir())}

    def message(self) -> str:
        return self.termination.read_text()

    def close(self) -> None:
        """End what still runs; the API server is gone by now, and a run that waits to be asked again is asked."""
        self.ask_again_file.write_text("end of the test")
        for process in self.processes:
            if process.process.poll() is None:
                process.kill()
        for run in self.runs:
            run.exit_code()
        for successor in self.successors:
            successor.close()


class ClientPod(Pod):
    """The client pod: its state is in Secret shop.client.root."""

    def arguments(self) -> list[str]:
        return self._written(
            {
                "--type": "client",
                "--user": "root",
                "--pod": "cockroachdb-client-secure",
                "--signer-name": "crdbops.internal/client",
                "--secret": "shop.client.root",
            }
        )

    def wish(self) -> Wish:
        return Wish(common_name="root", extended=(CLIENT,))

    @property
    def csr(self) -> str:
        return "shop.client.root"
