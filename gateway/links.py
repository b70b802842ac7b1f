"""Addresses of Temporal's Web UI, for people who want the whole history of a run.

Where the UI is stands in `gateway.settings`; which run is meant is the caller's.
"""

from __future__ import annotations

from urllib.parse import quote


def run_url(ui_url: str, *, namespace: str, workflow_id: str, run_id: str) -> str:
    """Return the address of one run's history page."""
    base = f"{ui_url.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"
    return f"{base}/{quote(run_id, safe='')}/history" if run_id else base
