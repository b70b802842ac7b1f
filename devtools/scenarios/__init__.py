"""Stories that are played without hands on the local world: one module each, with its `STORY`.

A module without one is what the stories share: `story` (what a story is), `driver` (typing, clicking, looking),
`told` (the transcript), `counted` (nothing doubled), `leaks` (no secret anywhere).
"""
