"""Every effect on the world: one module a thing acted on, each activity safe to repeat.

What to do is decided in `domain`, in which order in `workflows`; payloads stand in `payloads`, the interfaces that
the activities need in `ports`, vendor libraries behind `clients`.
"""
