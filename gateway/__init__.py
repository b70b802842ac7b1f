"""What a front end may do: connect, start, decide, look. Roles are checked by the front end and again in the workflow.

Front ends (`bot`, `cli.py`) reach steps only through here and Temporal; workflows and activities are never imported.
"""
