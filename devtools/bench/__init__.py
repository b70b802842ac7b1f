"""What `make bench` measures, each against a baseline in the same run: ratios, since machines differ.

`deploys` and `scales` (each against a careful person's script), `clicks` (click to certificate against the bare cost),
`answers` (slash commands), `waiting` (five hundred approvals). Speed is never a test.
"""
