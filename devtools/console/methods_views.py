"""views.*: opening, pushing and updating modals, publishing App Home.

What a person's submit does to them is in `interactions.py`; their limits are in `limits.py`.
"""

from __future__ import annotations

from devtools.console.limits import examine_view
from devtools.console.limits_text import Json
from devtools.console.methods import Method
from devtools.console.refusal import RefusalError, refuse_view
from devtools.console.tickets import Trigger
from devtools.console.views import View
from devtools.console.workspace import find_persona
from devtools.console.world import World


def checked_view(content: object, *, kind: str) -> Json:
    """The view, when it is within the limits and meant for this surface."""
    refuse_view(examine_view(content))
    assert isinstance(content, dict)
    if content["type"] != kind:
        message = f"[ERROR] must be a {kind} view; found {content['type']} [json-pointer:/view/type]"
        raise RefusalError("invalid_arguments", response_metadata={"messages": [message]})
    return content


def _trigger(world: World, args: Json) -> Trigger:
    """Slack checks the view first: a bad view does not use the trigger up."""
    name = args.get("trigger_id") or args.get("interactivity_pointer")
    if not name:
        message = "[ERROR] missing required field: trigger_id"
        raise RefusalError("invalid_arguments", response_metadata={"messages": [message]})
    return world.tickets.use_trigger(str(name))


def _answer(view: View) -> Json:
    return {"ok": True, "view": view.to_slack()}


def open_view(world: World, args: Json) -> Json:
    """views.open."""
    content = checked_view(args["view"], kind="modal")
    return _answer(world.views.open(_trigger(world, args).user, content=content))


def push_view(world: World, args: Json) -> Json:
    """views.push."""
    content = checked_view(args["view"], kind="modal")
    trigger = _trigger(world, args)
    if not trigger.is_from_modal or not world.views.stack(trigger.user):
        raise RefusalError("invalid_trigger_id", detail="views.push needs a trigger from within an open modal")
    return _answer(world.views.push(trigger.user, content=content))


def update_view(world: World, args: Json) -> Json:
    """views.update."""
    view = world.views.find(view_id=args.get("view_id"), external_id=args.get("external_id"))
    if view is None:
        raise RefusalError("not_found")
    content = checked_view(args["view"], kind=view.content["type"])
    world.views.update(view, content=content, expected_hash=args.get("hash"))
    return _answer(view)


def publish_view(world: World, args: Json) -> Json:
    """views.publish."""
    if not world.manifest.has_home:
        raise RefusalError("not_enabled")
    content = checked_view(args["view"], kind="home")
    persona = find_persona(args["user_id"])
    if persona is None:
        raise RefusalError("user_not_found")
    return _answer(world.views.publish(persona.id, content=content, expected_hash=args.get("hash")))


METHODS = (
    Method(
        "views.open",
        open_view,
        {"view": "json"},
        {"trigger_id": "text", "interactivity_pointer": "text"},
        per_minute=100,
    ),
    Method(
        "views.push",
        push_view,
        {"view": "json"},
        {"trigger_id": "text", "interactivity_pointer": "text"},
        per_minute=100,
    ),
    Method(
        "views.update",
        update_view,
        {"view": "json"},
        {"view_id": "text", "external_id": "text", "hash": "text"},
        per_minute=100,
    ),
    Method("views.publish", publish_view, {"view": "json", "user_id": "text"}, {"hash": "text"}, per_minute=100),
)
