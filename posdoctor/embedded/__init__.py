"""The one-command local stack: PostgreSQL, Valkey, web, worker, beat and ticker on this machine.

Not for production, which runs the same processes under docker-compose.yml or systemd.
Only `prepare` knows Django; everything else is the standard library.
"""
