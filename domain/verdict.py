"""Verdict and Reason: the only way a decision says yes or no.

A verdict collects every reason, never just the first, so that a person sees all of them at once. Turning a refusal
into an error is the caller's business (`domain.errors`).
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from domain.errors import RefusedError


class Reason(BaseModel):
    """One reason against: which field, what was found there, what was expected."""

    model_config = ConfigDict(frozen=True)

    code: str
    field: str
    found: str
    expected: str
    hint: str = ""

    def sentence(self) -> str:
        """Say the reason as one sentence for a person."""
        return f"{self.field}: found {self.found}, expected {self.expected}" + (f" ({self.hint})" if self.hint else "")


class Verdict(BaseModel):
    """Yes when there is no reason against, else no with all reasons."""

    model_config = ConfigDict(frozen=True)

    reasons: tuple[Reason, ...] = ()

    @property
    def is_yes(self) -> bool:
        """Whether nothing speaks against."""
        return not self.reasons

    def require(self, code: str, message: str, *, hint: str = "") -> None:
        """Raise RefusedError carrying every reason unless the verdict is yes."""
        if self.reasons:
            said = "; ".join(reason.sentence() for reason in self.reasons)
            raise RefusedError(code, f"{message}: {said}", hint=hint, reasons=[r.code for r in self.reasons])
