"""What `make bench` measures, each against a baseline in the same run: ratios, since machines differ.

`deploys` (a deploy against a careful person's script), `clicks` (click to certificate against the bare cost), `answers`
(slash commands), `table` (how it is printed). Speed is never a test.
"""
