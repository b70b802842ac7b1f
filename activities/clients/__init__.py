"""Vendor libraries behind the ports: Kubernetes, certificates, the database's CLI, Temporal's client.

The only place that imports `kubernetes` beside events and certagent. Vendor exceptions become ours here (`errors`).
How the objects look is `activities.manifests`; what is done with them, and in which order, is the activities'.
"""
