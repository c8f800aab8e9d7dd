"""Extensions and the functions behind Chinese search; the table behind the cache."""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

# SQL-standard bodies: a quoted body that calls pd_norm() unqualified fails in pg_restore.
FUNCTIONS = r"""
create function pd_norm(t text) returns text
language sql immutable strict parallel safe
return lower(normalize(t, NFKC));

create function pd_tokens(t text) returns text[]
language sql immutable strict parallel safe
begin atomic
  select coalesce(array_agg(distinct tok), '{}') from (
    select substr(run[1], i, 2) as tok
    from regexp_matches(pd_norm(t), '[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+', 'g') run,
         generate_series(1, length(run[1])) i
    union all
    select word[1] from regexp_matches(pd_norm(t), '[a-z0-9]+', 'g') word
  ) tokens;
end;

create function pd_query(t text) returns tsquery
language sql immutable strict parallel safe
begin atomic
  select string_agg(part, ' & ')::tsquery from (
    select '''' || substr(run[1], i, 2) || '''' as part
    from regexp_matches(pd_norm(t), '[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+', 'g') run,
         generate_series(1, length(run[1]) - 1) i
    union all
    select '''' || run[1] || ''':*'
    from regexp_matches(pd_norm(t), '[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+', 'g') run
    where length(run[1]) = 1
    union all
    select '''' || word[1] || ''':*' from regexp_matches(pd_norm(t), '[a-z0-9]+', 'g') word
  ) parts;
end;
"""

CACHE = """
create table core_cache (
  cache_key varchar(255) not null primary key,
  value text not null,
  expires timestamp with time zone not null
);
create index core_cache_expires on core_cache (expires);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        TrigramExtension(),
        migrations.RunSQL(
            FUNCTIONS,
            "drop function pd_query(text); drop function pd_tokens(text); drop function pd_norm(text);",
        ),
        migrations.RunSQL(CACHE, "drop table core_cache;"),
    ]
