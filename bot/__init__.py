"""The chat front end, Slack only: listens, checks who asks, signs decisions, shows what the workflows say.

No Kubernetes and no rules of its own: truth is in the workflows, reached through `gateway`.
"""
