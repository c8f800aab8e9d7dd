"""Takes foreign keys and indexes off the tables of the history while a large load runs.

One transaction holds all of it: every key is back, and has checked every row, when the load
becomes visible; a load that breaks off leaves the database as it was. The tables are locked
meanwhile, so this is for databases that nobody uses yet.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

_KEYS = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)
FROM pg_constraint c
WHERE c.contype = %s
  AND (c.conrelid = ANY(%s::regclass[]) OR (c.contype = 'f' AND c.confrelid = ANY(%s::regclass[])))
ORDER BY c.oid
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i
WHERE i.indrelid = ANY(%s::regclass[])
  AND i.indpred IS NULL
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
ORDER BY i.indexrelid
"""


@contextmanager
def without_keys(tables: Sequence[str]) -> Iterator[None]:
    """Drops foreign keys, unique keys and indexes of `tables`, and builds them again at the end.

    Primary keys, checks and partial indexes (over few of these rows) stay. Raises
    IntegrityError at the end, and undoes everything, where a row breaks a key.
    """
    names = list(tables)
    with transaction.atomic(), connection.cursor() as cursor:
        # What an outer transaction still owes would keep the tables from being altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        foreign = _keys(cursor, "f", names)
        unique = _keys(cursor, "u", names)
        cursor.execute(_INDEXES, [names])
        indexes = cursor.fetchall()
        for table, name, _definition in (*foreign, *unique):
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        for _name, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in (*unique, *foreign):
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _keys(cursor: CursorWrapper, kind: str, names: list[str]) -> list[tuple[str, str, str]]:
    cursor.execute(_KEYS, [kind, names, names])
    return [(str(table), str(name), str(definition)) for table, name, definition in cursor]
