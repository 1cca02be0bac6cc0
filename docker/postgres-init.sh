#!/bin/sh
# Run once by the image of PostgreSQL, in a new database: the role that the processes log in as. `migrate` gives it its rights.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set=password="$GATELEDGER_PASSWORD" <<'SQL'
CREATE ROLE gateledger LOGIN PASSWORD :'password';
SQL
