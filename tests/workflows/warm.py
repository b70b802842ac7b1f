"""Imported by the fork server alone: what every worker does at its start is done once, before it forks the first."""

from __future__ import annotations

from tests.workflows.prepared import prepare_all

prepare_all()
