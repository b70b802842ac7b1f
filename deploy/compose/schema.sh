#!/bin/sh
# Makes Temporal's two databases, or brings them to the release of this image. Repeating it changes nothing.
set -eu
SQL_PASSWORD="$(cat "${SQL_PASSWORD_FILE:-/run/secrets/postgres-password}")"
export SQL_PASSWORD
schema="${TEMPORAL_SCHEMA:-/etc/temporal/schema}/postgresql/v12"

for name in temporal visibility; do
  if [ "$name" = temporal ]; then database=temporal; else database=temporal_visibility; fi
  temporal-sql-tool --database "$database" create-database
  # Makes the table of versions; one that is there keeps its version.
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema --schema-dir "$schema/$name/versioned"
done
