#!/bin/sh
# Starts Temporal with the database's password out of its file: the server itself knows an environment variable alone.
set -eu
POSTGRES_PWD="$(cat /run/secrets/postgres-password)"
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
