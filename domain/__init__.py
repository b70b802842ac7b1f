"""Decisions and values: pure functions from facts to verdicts.

No I/O, no clock, no randomness, no vendor library. What has an effect lives in `activities`; what lasts lives in
`workflows`; what people may ask for lives in `operations`.
"""
