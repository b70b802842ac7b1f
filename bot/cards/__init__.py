"""Pure functions from state to Block Kit: no Slack client, no clock, nothing but arguments.

`blocks` holds the primitives and Slack's limits; one module a card. Posting them is `bot.messages`.
"""
