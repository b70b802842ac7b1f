"""Pure builders of Kubernetes objects: from a cluster's reference and spec to JSON. Golden files in tests/activities.

Nothing here asks or changes anything; applying is `activities.cluster`'s.
"""
