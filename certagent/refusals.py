"""What a refused or failed call of the API means, in words: the server's, the missing rule, a sentence for people.

Which calls there are and how often they are tried stands in `api.py`.
"""

import json

from kubernetes.client import ApiException

# Asking again cannot change these: the request itself is wrong.
HOPELESS = {400, 405, 413, 415, 422}
_MEANINGS = {
    401: "the pod's token is not accepted",
    403: "a right is missing",
    404: "it is made before the pod; a repeated deploy makes it again",
    429: "the API server is overloaded",
}


def csr_rule(verb: str) -> str:
    """Name a right on CSRs as it would stand in a role."""
    return f'apiGroups ["certificates.k8s.io"], resources ["certificatesigningrequests"], verbs ["{verb}"]'


def secret_rule(verb: str, name: str) -> str:
    """Name a right on one Secret as it would stand in a role."""
    return f'apiGroups [""], resources ["secrets"], resourceNames ["{name}"], verbs ["{verb}"]'


def sentence(fields: dict[str, object], *, status: int) -> str:
    """Say the last failed try to a person."""
    meaning = f" ({_MEANINGS[status]})" if status in _MEANINGS else ""
    found = f"HTTP {status}{meaning}" if status else "no answer"
    advice = f" Missing rule: {fields['missing_rule']}." if "missing_rule" in fields else ""
    return f"Cannot {fields['call']}: {found}: {fields['reason']}.{advice} It is tried again by itself."


def server_words(error: ApiException) -> str:
    """Return the message of the server's Status object, or else the HTTP reason."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def retry_after(error: ApiException) -> float | None:
    """Return the seconds that the server asks to wait, if it says so."""
    value = (error.headers or {}).get("Retry-After", "")
    return float(value) if value.isdecimal() else None
