"""Gives blocks and elements the ids that Slack makes up where a bot set none, so that every click can name them."""

from __future__ import annotations

import copy
import secrets

from devtools.console.limits_text import Json


def new_id() -> str:
    """Make up an id as Slack does."""
    return secrets.token_urlsafe(4)[:5]


def with_ids(blocks: list[Json]) -> list[Json]:
    """A copy in which every block has a block_id and every element that can be used an action_id."""
    done = copy.deepcopy(blocks)
    for block in done:
        block.setdefault("block_id", new_id())
        for element in elements(block):
            element.setdefault("action_id", new_id())
    return done


def elements(block: Json) -> list[Json]:
    """The elements of one block that a person can use."""
    if block.get("type") == "actions":
        return [element for element in block["elements"] if isinstance(element, dict)]
    found = block.get("element") if block.get("type") == "input" else block.get("accessory")
    return [found] if isinstance(found, dict) and found.get("type") != "image" else []


def find_element(blocks: list[Json], *, block_id: str | None, action_id: str) -> tuple[Json, Json] | None:
    """The block and element that a click means; without a block id the first one with that action id."""
    for block in blocks:
        if block_id is None or block.get("block_id") == block_id:
            for element in elements(block):
                if element.get("action_id") == action_id:
                    return block, element
    return None
