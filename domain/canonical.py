"""One text for one meaning: canonical JSON and its sha256.

What is named by a hash (a request, a policy, what a card showed) is hashed here and nowhere else, so that two processes
agree on it. Signing such a text is `tokens.make`.
"""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces; what is not ASCII stays as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_hash(value: object) -> str:
    """Return the sha256, in hex, over the canonical JSON of a value."""
    # surrogatepass: a hostile text with half a character in it still has a hash, and one of its own.
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
