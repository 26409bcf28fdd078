"""A PostgreSQL database: its programs, what it holds, and a consistent dump.

Students write to the warehouse, and may plant code in it: views, functions, policies, settings. So every session logs
in as the role that owns the database, which cannot become another one; and it pins its settings, so that names mean
PostgreSQL's own and no planted timeout ends it.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import whitespace
from typing import IO, Any

from cli.programs import ROOT, last_lines, run_with_input
from cli.waiting import waiting_for
from orionbox.errors import CommandError, printable

PINNED = {
    "search_path": "pg_catalog",
    "role": "none",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "60s",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
    "client_encoding": "UTF8",
    "local_preload_libraries": "",
}
"""What `ALTER DATABASE` and `ALTER ROLE` may have changed so that no session works; a connection's own options win over
both. `Database.without_settings` pins the rest.

With `row_security` off, PostgreSQL refuses a query whose rows a policy would leave out
(https://www.postgresql.org/docs/15/ddl-rowsecurity.html).
"""
IS_OURS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
RELATIONS = (
    f"FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE {IS_OURS} AND relpersistence <> 't'"
)
"""All relations of users; a temporary table of another session cannot be read."""
NAME = "to_json(concat(nullif(nspname, 'public') || '.', relname))"
"""A relation's name as JSON, on one line whatever is in it; without its schema if that is `public`."""
COUNT_ROWS = (
    f"SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', {NAME}, nspname, relname) "
    f"{RELATIONS} AND relkind IN ('r', 'p') ORDER BY nspname, relname \\gexec\n"
)
"""Makes psql count the rows of every table."""
VIEWS = (
    "SELECT json_agg(format('%I.%I', nspname, relname) ORDER BY nspname, relname) "
    f"{RELATIONS} AND relkind = 'm' AND relispopulated"
)
SETTINGS = """
SELECT json_agg(json_build_array(
    CASE WHEN setrole = 0 THEN 'database' WHEN setdatabase = 0 THEN 'role' ELSE 'both' END,
    split_part(setting, '=', 1),
    substr(setting, position('=' in setting) + 1)) ORDER BY setdatabase = 0, setrole, setting)
FROM pg_db_role_setting, unnest(setconfig) setting
WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND setrole IN (0, current_user::regrole)
  AND (setrole <> 0 OR setdatabase <> 0)
"""
CHANGED_SETTINGS = """
SELECT DISTINCT ON (name) json_build_array(name, boot_val)
FROM pg_db_role_setting, unnest(setconfig) changed JOIN pg_settings ON lower(split_part(changed, '=', 1)) = lower(name)
WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND setrole IN (0, current_user::regrole) AND context IN ('user', 'backend') AND boot_val IS NOT NULL;
"""
"""Settings of the database and the role, each with PostgreSQL's own value."""
LOCKED_OUT = "each start of Postgres lets its owner in again: make down, then make up"
"""The fix if a student has changed who may log in to the warehouse."""
PINNED_FOR_ORION = {**PINNED, "search_path": "pg_catalog,public"}
"""In Orion's own database, to which no student can write, names mean Orion's tables."""
NEVER_RESTORED = {
    "local_preload_libraries": "nobody could log in without that library",
    "idle_session_timeout": "nobody could stay logged in if it is short",
}
COMMENT = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
FACTS = f"SELECT json_build_object('views', ({VIEWS}), 'settings', ({SETTINGS}), 'comment', ({COMMENT}));\n"
"""What pg_dump leaves to `pg_restore --create` or to a later REFRESH."""
ALTER = {"database": "DATABASE %1$I", "role": "ROLE %2$I", "both": "ROLE %2$I IN DATABASE %1$I"}
"""What a setting belongs to, as `format` fills in the database and the role."""
LISTS = ("search_path", "temp_tablespaces")
"""Settings whose value is a list of names (src/include/utils/guc.h: GUC_LIST_QUOTE)."""
DEFINITIONS = f"""
SELECT to_json(what) FROM (
    SELECT pg_describe_object(classid, objid, 0) AS what FROM pg_shdepend
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND refclassid = 'pg_authid'::regclass AND refobjid = current_user::regrole AND deptype = 'o'
      AND NOT (classid = 'pg_class'::regclass AND objid IN (
          SELECT pg_class.oid {RELATIONS}
          AND (relispartition OR nspname = 'public' AND relkind = 'p' AND relname = ANY ({{}}))))
    UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'policy ' || polname FROM pg_policy
    UNION ALL SELECT 'index ' || relname {RELATIONS} AND relkind IN ('i', 'I')
    UNION ALL SELECT 'setting ' || split_part(setting, '=', 1) FROM pg_db_role_setting, unnest(setconfig) setting
) found ORDER BY what;
"""
"""What the role has defined, whatever kind it is of: PostgreSQL notes each object's owner."""

NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Database:
    """A PostgreSQL database.

    Args:
        command: the prefix for PostgreSQL programs, for example `docker compose exec postgres`.
        connection: the connection string, with the role that owns the database.
        variables: the programs' environment variables.
        pins: settings of the sessions.
    """

    command: Sequence[str]
    connection: str
    variables: Mapping[str, str]
    pins: Mapping[str, str] = field(default_factory=lambda: PINNED)

    def without_settings(self) -> Database:
        """Returns this database for sessions in which no setting has effect that the database or the role has now."""
        changed = dict(json.loads(line) for line in self.ask(CHANGED_SETTINGS))
        return replace(self, pins={**changed, **self.pins})

    def program(self, name: str, *options: str, is_pinned: bool = True, wrapper: Sequence[str] = ()) -> list[str]:
        """Returns the command line of psql, pg_dump or pg_restore."""
        pinned = " ".join(f"-c {setting}={_escaped(value, whitespace)}" for setting, value in self.pins.items())
        connection = f"{self.connection} options='{_escaped(pinned, QUOTE)}'" if is_pinned else self.connection
        return [*self.command, *wrapper, name, f"--dbname={connection}", *options]

    def psql(self, is_pinned: bool = True) -> list[str]:
        """Returns the command line of psql that reads standard input, prints rows only, and stops at an error."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return self.program("psql", *options, is_pinned=is_pinned)

    def ask(self, sql: str, parameters: Mapping[str, str] = NONE, is_pinned: bool = True) -> list[str]:
        """Returns the lines of the answer. The SQL goes through standard input, which other users cannot read.

        Args:
            sql: one or more statements.
            parameters: values that the SQL names as `:name`; psql quotes them.
            is_pinned: whether the session has the settings in `pins`; otherwise those of the database.
        """
        script = "".join(f"\\set {name} {_quoted(value)}\n" for name, value in parameters.items())
        for name in parameters:
            sql = re.sub(rf"(?<!:):{name}\b", f":'{name}'", sql)
        with waiting_for("an answer of Postgres"):
            done = subprocess.run(
                self.psql(is_pinned),
                input=script + sql,
                cwd=ROOT,
                env=dict(self.variables),
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
        if done.returncode:
            reason = last_lines(printable(done.stderr, keep=LINES))
            raise CommandError(f"Postgres refuses the query:\n{reason}", LOCKED_OUT if "FATAL" in reason else "")
        return done.stdout.splitlines()

    def count_rows(self) -> dict[str, int]:
        """Counts the rows of every table."""
        return rows_by_table(self.ask(COUNT_ROWS))

    def materialized_views(self) -> list[str]:
        """Returns their names, in the form that `count_rows` uses."""
        return [str(json.loads(line)) for line in self.ask(f"SELECT {NAME} {RELATIONS} AND relkind = 'm'")]

    def definitions(self, known: Iterable[str]) -> list[str]:
        """Returns what the role has defined, such as `view mine`.

        Args:
            known: partitioned tables in schema `public` that do not count.
        """
        names = ", ".join(f"'{name}'" for name in known)
        return [str(json.loads(line)) for line in self.ask(DEFINITIONS.format(f"ARRAY[{names}]::text[]"))]

    def size(self) -> int:
        """Returns the bytes that the database takes on disk."""
        return int(self.ask("SELECT pg_database_size(current_database())")[0])

    def restore(self, content: IO[bytes]) -> None:
        """Restores a dump into the empty database in one transaction."""
        options = ("--no-owner", "--single-transaction", "--exit-on-error")
        run_with_input(self.without_settings().program("pg_restore", *options), content, self.variables)

    def restore_facts(self, facts: Mapping[str, Any]) -> list[str]:
        """Fills the materialized views, and sets the comment and the settings of the database.

        Returns:
            A line for each that PostgreSQL refused.
        """
        refused = self._refresh(facts.get("views") or [])
        if facts.get("comment"):
            sql = "SELECT format('COMMENT ON DATABASE %I IS %L', current_database(), :comment) \\gexec\n"
            refused += self._try(sql, "the comment on the database", comment=facts["comment"])
        for scope, name, value in facts.get("settings") or []:
            refused += self._set(scope, name, value)
        return refused

    def _refresh(self, views: Sequence[str]) -> list[str]:
        """Fills views, those that others need first: the rest succeeds in a later round."""
        sql = "SELECT pg_catalog.format('REFRESH MATERIALIZED VIEW %s', :view::pg_catalog.regclass) \\gexec\n"
        remaining, refused = list(views), dict[str, list[str]]()
        while remaining:
            refused = {view: self._try(sql, f"the rows of {view}", is_pinned=False, view=view) for view in remaining}
            left = [view for view in remaining if refused[view]]
            if len(left) == len(remaining):
                break
            remaining = left
        return [line for view in remaining for line in refused[view]]

    def _set(self, scope: str, name: str, value: str) -> list[str]:
        if reason := NEVER_RESTORED.get(name.lower()):  # PostgreSQL takes either case
            return [printable(f"the setting {name}: {reason}")]
        target = ALTER.get(scope, ALTER["database"])
        new = f"'ALTER {target} SET %3$I TO %4$L', current_database(), current_user, :name, :value"
        sql = f"SELECT format({new}) \\gexec\n"
        if name in LISTS:
            sql = (
                "SELECT set_config(:name, :value, false);\n"
                f"SELECT pg_catalog.format('ALTER {target} SET %3$I FROM CURRENT', "
                "pg_catalog.current_database(), current_user, :name) \\gexec\n"
            )
        return self._try(sql, f"the setting {name}", name=name, value=value)

    def _try(self, sql: str, what: str, is_pinned: bool = True, **parameters: str) -> list[str]:
        try:
            self.ask(sql, parameters, is_pinned)
        except CommandError as error:
            lines = error.text.splitlines()
            reason = next((line for line in lines if "ERROR:" in line), lines[-1])
            return [printable(f"{what}: {reason.strip()}")]
        return []


LINES = "\n\t"
"""Characters of a program's output that a terminal may get as they are."""


def _quoted(value: str) -> str:
    """Returns a value in quotes, as psql's command `set` reads it (https://www.postgresql.org/docs/15/app-psql.html)."""
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


QUOTE = "'"


def _escaped(value: str, characters: str) -> str:
    """Puts a backslash before these characters and before each backslash.

    Options need it before white space, a connection string before quotes
    (https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNECT-OPTIONS).
    """
    return re.sub(f"[{re.escape(characters)}\\\\]", r"\\\g<0>", value)


def rows_by_table(lines: Iterable[str]) -> dict[str, int]:
    """Reads lines of the form `"table"|rows`."""
    pairs = (line.rpartition("|") for line in lines)
    return {json.loads(table): int(count) for table, _, count in pairs}
