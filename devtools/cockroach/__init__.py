"""Stand-in for the `cockroach` program: the documented verbs over real TLS, by real processes, with no database behind.

It answers what crdb-chatops asks a node (start, health, init, node status, a handful of statements) as the vendor's
program is documented to answer, including its refusals. It stores no more than the rows of that handful. Only the
standard library is imported, and lazily, because the client verbs are executed often. Nothing of the project's other
packages is used here; images that carry it are built by `devtools/images`. What it does and does not imitate:
docs/reference/stand-ins-database.md.
"""
