"""A real Postgres for tests: in a folder of its own, on 127.0.0.1 only, gone afterwards."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
import pytest

from infra.local.kafka import free_port

NOBODY = 65534
"""A Postgres refuses to run as root."""

INSTALL = "apt-get install -y --no-install-recommends postgresql-15"
DEADLINE_S = 60.0
OPTIONS = {
    "fsync": "off",  # a killed process loses nothing by it, and nobody pulls the plug of a test
    "full_page_writes": "off",
    "unix_socket_directories": "''",
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "deadlock_timeout": "100ms",
    "shared_buffers": "32MB",
    "log_min_error_statement": "panic",
}


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest where there are several."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which("pg_ctl")
    return known[-1] if known else Path(found).parent if found else None


class PostgresServer:
    """One server; it keeps its port and its data from start to start.

    Args:
        folder: Empty, and of the user the server runs as.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        self.port = free_port()
        self.data = folder / "data"
        self.log = folder / "postgres.log"

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Make one, start it, and take it away again; skips where Postgres is not installed, but fails in CI."""
        programs = find_programs()
        if programs is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"Postgres is not installed: {INSTALL}")
        # Not under pytest's own folder: that is root's alone.
        folder = Path(tempfile.mkdtemp(prefix="millrace-postgres-"))
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        server = cls(folder, programs)
        try:
            server._initialise()
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)

    def url(self, database: str = "postgres", user: str = "millrace", password: str | None = None) -> str:
        login = user if password is None else f"{user}:{password}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def execute(self, *statements: str) -> None:
        """Run statements as superuser, each in a transaction of its own."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def query(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return connection.execute(statement).fetchall()

    def require_password(self, role: str) -> None:
        """Let a role in by its password only; all others need none."""
        hba = self.data / "pg_hba.conf"
        line = f"host all {role} 127.0.0.1/32 scram-sha-256\n"
        if line not in hba.read_text():
            hba.write_text(line + hba.read_text())
            self.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
        command = ("start", "-w", "-s", "-l", str(self.log), "-o", f"-p {self.port} {options}")
        deadline = time.monotonic() + DEADLINE_S
        while self._pg_ctl(*command).returncode:  # sessions of a killed one may still be about to end
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop it at once: sessions are broken, nothing is lost."""
        self._pg_ctl("stop", "-w", "-s", "-m", "fast")

    def kill(self) -> None:
        """Kill -9 the server; what sessions it had end by themselves."""
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def _initialise(self) -> None:
        # A collation of people, not of bytes: an order of rows that is only right by chance shows.
        locale = ("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        made = self._run("initdb", "-D", str(self.data), "-U", "millrace", "--auth=trust", "--no-sync", *locale)
        assert made.returncode == 0, made.stdout

    def _pg_ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "-D", str(self.data), *arguments)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        with (self.folder / "command.log").open("a+") as told:  # a daemon would keep a pipe open
            done = subprocess.run(command, env=environ, stdout=told, stderr=told, cwd="/", check=False)
            told.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, told.read())
