"""What a developer needs and a deployment does not: a Kubernetes, stand-ins, the whole stack on one machine.

Nothing outside this package and the tests imports it. What runs in production is in the packages beside it.
"""
