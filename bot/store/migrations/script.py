"""SQL scripts run statement by statement, since `sqlite3.Connection.executescript` would commit the open transaction."""

import sqlite3


def run(db: sqlite3.Connection, sql: str) -> None:
    """Execute the statements of a script in the open transaction. Each but the last ends in `;` and a line break."""
    for statement in sql.split(";\n"):
        if statement.strip():
            db.execute(statement)
