"""How long a pod's trouble is borne, kind by kind, on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from activities.csr_object import Object
from activities.patience import Patience
from domain.errors import BrokenError


def pod(**status: Any) -> Object:
    return {"metadata": {"name": "cockroachdb-0", "uid": "u0"}, "status": status}


def waiting(reason: str, *, container: str = "cockroachdb", restarts: int = 0) -> Object:
    state = {"waiting": {"reason": reason, "message": f"because of {reason}"}}
    which = "initContainerStatuses" if container == "certagent" else "containerStatuses"
    return pod(**{which: [{"name": container, "restartCount": restarts, "state": state}]})


NO_PLACE = pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}])


@pytest.mark.parametrize(
    ("item", "code", "seconds", "said"),
    [
        pytest.param(waiting("ImagePullBackOff"), "pods.image", 60, "gets no image", id="image"),
        pytest.param(waiting("CreateContainerConfigError"), "pods.config", 60, "cannot start", id="configuration"),
        pytest.param(NO_PLACE, "pods.unschedulable", 300, "finds no place: 0/3 nodes", id="no place"),
        pytest.param(waiting("ErrImagePull", container="certagent"), "pods.image", 60, "gets no image", id="our image"),
    ],
)
def test_a_trouble_is_borne_for_its_time_and_then_named(item: Object, code: str, seconds: float, said: str) -> None:
    now = [0.0]
    patience = Patience(lambda: now[0])

    patience.bear([item])
    now[0] = seconds - 1
    patience.bear([item])
    now[0] = seconds

    with pytest.raises(BrokenError) as broken:
        patience.bear([item])
    assert broken.value.code == code
    assert said in broken.value.message
    assert broken.value.hint


def test_a_trouble_that_went_away_starts_anew() -> None:
    now = [0.0]
    patience = Patience(lambda: now[0])
    patience.bear([waiting("ImagePullBackOff")])
    now[0] = 59
    patience.bear([pod()])
    now[0] = 61

    patience.bear([waiting("ImagePullBackOff")])


def test_a_crash_is_borne_four_times_and_certagents_crashes_always() -> None:
    patience = Patience(lambda: 0.0)

    patience.bear([waiting("CrashLoopBackOff", restarts=4)])
    patience.bear([waiting("CrashLoopBackOff", container="certagent", restarts=50)])

    with pytest.raises(BrokenError) as broken:
        patience.bear([waiting("CrashLoopBackOff", restarts=5)])
    assert broken.value.code == "pods.crash"
