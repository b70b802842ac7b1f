"""Writing files: whole or not at all, with the mode that is asked for.

The database reads `ca.crt`, `<stem>.crt` and `<stem>.key` from `--certs-dir` and refuses a key that others may read.
The node's store on its volume (`store.py`) writes through the same function.
"""

import os
import tempfile
from pathlib import Path

TEMPORARY = ".tmp"


def write_file(path: Path, *, content: bytes, mode: int) -> None:
    """Put the content there under its name at once, surviving a power cut after the return."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and removals in this directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_certificates(certs_dir: Path, *, stem: str, ca: bytes, certificate: bytes, key: bytes) -> None:
    """Write the three files that the database reads. Writing twice changes nothing: same names, whole files.

    The key comes last, so that whoever finds a key finds the certificate to it.
    """
    certs_dir.mkdir(parents=True, exist_ok=True)
    write_file(certs_dir / "ca.crt", content=ca, mode=0o444)
    write_file(certs_dir / f"{stem}.crt", content=certificate, mode=0o444)
    write_file(certs_dir / f"{stem}.key", content=key, mode=0o400)
