# Run once, when the server is made and listens on no port yet: its password comes from a file.
psql --quiet --username "${POSTGRES_USER:-postgres}" --set ON_ERROR_STOP=1 \
    --set password="$(cat /run/secrets/password)" <<'SQL'
alter role postgres password :'password';
SQL
