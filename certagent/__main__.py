"""Wiring and exit of certagent: `python3 -m certagent …`, exit code 0 when the files are in place, 1 otherwise.

The one place that catches everything: an error becomes one log line and the termination message. What happens in
between stands in `life.py`.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn, TextIO

from certagent.api import Api
from certagent.arguments import BadArgumentsError, Options, parse, termination_log_of
from certagent.files import write_certificates
from certagent.issued import load_ca
from certagent.life import Life
from certagent.log import LOG, configure, write_termination_message
from certagent.pace import Pace
from certagent.store import NodeStore, SecretStore, Store
from certagent.trouble import GivingUpError


def main(argv: Sequence[str], *, stream: TextIO, pace: Pace) -> int:
    """Get the certificate and write the files; return the exit code."""
    configure(stream, fields={})
    try:
        options = parse(argv, environ=os.environ)
    except BadArgumentsError as error:
        LOG.error("bad arguments", extra={"reason": str(error)})
        write_termination_message(termination_log_of(argv), text=f"certagent cannot start: {error}")
        return 1
    configure(
        stream,
        fields={"cluster": options.cluster, "namespace": options.namespace, "pod": options.pod, "type": options.type},
    )
    try:
        _run(options, pace=pace)
    except GivingUpError as error:
        LOG.error(error.event, extra=error.fields)
        write_termination_message(options.termination_log, text=error.message)
        return 1
    except OSError as error:
        reason = f"{error.strerror or type(error).__name__}: {error.filename or 'no file'}"
        LOG.error("file trouble", extra={"reason": reason})
        write_termination_message(options.termination_log, text=f"A file cannot be read or written: {reason}.")
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost frame; the text is left out, it may quote what was read
        place = " < ".join(f"{frame.name} {Path(frame.filename).name}:{frame.lineno}" for frame in _frames(error))
        LOG.error("unexpected error", extra={"reason": type(error).__name__, "place": place})
        write_termination_message(
            options.termination_log,
            text=f"Unexpected {type(error).__name__} in certagent; the container's log says where. It is tried again.",
        )
        return 1
    write_termination_message(options.termination_log, text="")  # a denial that was overcome is no news any more
    return 0


def _run(options: Options, *, pace: Pace) -> None:
    LOG.info("started", extra={"pod_uid": options.pod_uid, "signer": options.signer_name})
    ca_pem = _read_ca(options.ca_file)
    api = Api(
        options.api_server,
        token_file=options.token_file,
        ca_file=options.api_ca_file,
        pace=pace,
        rights_from=_rights_from(options),
    )
    try:
        kept = Life(options, api=api, store=_store(options, api=api), ca_pem=ca_pem, pace=pace).run()
    finally:
        api.close()
    write_certificates(
        options.certs_dir,
        stem=options.file_stem,
        ca=ca_pem,
        certificate=kept.certificate_pem or b"",
        key=kept.key_pem or b"",
    )
    LOG.info("files written", extra={"directory": str(options.certs_dir), "csr": kept.csr_name})


def _store(options: Options, *, api: Api) -> Store:
    if options.store_dir is not None:
        return NodeStore(options.store_dir)
    return SecretStore(api, namespace=options.namespace, name=options.secret or "", stem=options.file_stem)


def _rights_from(options: Options) -> str:
    binding = f"{options.namespace}.{options.cluster}.certagent"
    return (
        f"(CSRs: ClusterRole crdbops-certagent through ClusterRoleBinding {binding}; "
        f"Secret: Role cockroachdb-client in namespace {options.namespace})"
    )


def _read_ca(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        load_ca(content)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise GivingUpError(
            f"CA file {path} cannot be used: {reason}. Expected the cluster's CA certificate in PEM, which ConfigMap "
            "<cluster>-ca holds under ca.crt.",
            event="ca file unusable",
            reason=f"{reason}: {path}",
        ) from error
    return content


def _frames(error: Exception) -> list[traceback.FrameSummary]:
    return list(reversed(traceback.extract_tb(error.__traceback__)))[:6]


def _stop(signum: int, _frame: FrameType | None) -> NoReturn:
    # As process 1 of a container Python would ignore the signal, and the pod's deletion would take its grace period.
    LOG.info("stopped", extra={"reason": signal.Signals(signum).name})
    sys.exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    sys.exit(main(sys.argv[1:], stream=sys.stderr, pace=Pace()))
