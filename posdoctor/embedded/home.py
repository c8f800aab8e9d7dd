"""The data folder of one local stack: where it lies, who may use it, what lies in it."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

CHECKOUT = Path(__file__).resolve().parents[2]
FOR_ROOT = Path("/var/lib")
NEEDED_MB = 300


class HomeError(Exception):
    """The data folder cannot be used; the text says why in one line."""


class HomeInUseError(HomeError):
    """Another process holds the data folder."""


@dataclass(frozen=True)
class Account:
    """The unprivileged account that PostgreSQL runs as when root starts the stack."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Running:
    """What a running stack tells `bin/manage`: process id, command, web port, engines."""

    pid: int
    command: str
    port: int
    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Home:
    """Paths inside a data folder. `account` is None unless root runs the stack."""

    path: Path
    account: Account | None

    @property
    def postgres(self) -> Path:
        """The cluster, named by its major version: another major never opens it."""
        return self.path / "postgres-18"

    @property
    def valkey(self) -> Path:
        """Valkey's append-only file."""
        return self.path / "valkey"

    @property
    def media(self) -> Path:
        """Uploaded files."""
        return self.path / "media"

    @property
    def mails(self) -> Path:
        """What the mail catcher took."""
        return self.path / "mails"

    @property
    def static(self) -> Path:
        """What collectstatic fills; empty where static files are served from where they lie."""
        return self.path / "static"

    @property
    def scratch(self) -> Path:
        """The worker's temporary folder: one installation's locks must not meet another's."""
        return self.path / "tmp"

    @property
    def beat_schedule(self) -> Path:
        """When beat last ran what."""
        return self.path / "beat-schedule"

    @property
    def demo_signins(self) -> Path:
        """The demo's addresses and passwords, as printed at the end of bin/up."""
        return self.path / "demo_signins.txt"

    @property
    def secret_key(self) -> Path:
        """Django's SECRET_KEY."""
        return self.path / "secret_key"

    def secret(self, name: str) -> str:
        """A secret of 64 letters that is made once, readable by the owner alone."""
        file = self.path / name
        with contextlib.suppress(FileNotFoundError):
            return file.read_text(encoding="ascii")
        secret = secrets.token_urlsafe(48)
        fresh = file.with_name(f"{name}.new")
        write_private(fresh, secret)
        fresh.rename(file)
        return secret

    def clear_scratch(self) -> None:
        """Drops what a killed worker left: a lock with a process id that is used again."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700)

    def write_running(self, running: Running) -> None:
        """Leaves a note for `bin/manage`; only valid while the lock is held."""
        fresh = self.path / "running.json.new"
        write_private(fresh, json.dumps(asdict(running)))
        fresh.rename(self.path / "running.json")

    def read_running(self) -> Running | None:
        """The note of the running stack, None while it is still starting."""
        try:
            return Running(**json.loads((self.path / "running.json").read_text()))
        except FileNotFoundError:
            return None

    def remove_running(self) -> None:
        """Takes the note away."""
        (self.path / "running.json").unlink(missing_ok=True)


def write_private(file: Path, text: str) -> None:
    """Writes a file that nobody else could read at any moment."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def find() -> Home:
    """The home that POSDOCTOR_HOME names, `.posdoctor/` in the checkout by default.

    PostgreSQL refuses to run as root. Under root it runs as `nobody`, and where `nobody`
    cannot reach the folder (a checkout under /root) the data go to /var/lib instead.
    """
    asked = os.environ.get("POSDOCTOR_HOME")
    base = Path(os.environ.get("CALLED_FROM", "."))
    path = (base / asked if asked else CHECKOUT / ".posdoctor").resolve()
    account = unprivileged_account()
    if account and not others_can_reach(path):
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        path = FOR_ROOT / f"posdoctor-{digest}"
    return _prepared(Home(path, account))


@contextlib.contextmanager
def temporary() -> Iterator[Home]:
    """A home that is gone afterwards."""
    account = unprivileged_account()
    folder = Path(tempfile.gettempdir())
    if account and not others_can_reach(folder / "home"):
        folder = FOR_ROOT
    path = Path(tempfile.mkdtemp(prefix="posdoctor-test-", dir=folder))
    try:
        yield _prepared(Home(path, account))
    finally:
        shutil.rmtree(path, ignore_errors=True)


def unprivileged_account() -> Account | None:
    """`nobody` when this process is root, None for everyone else."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def others_can_reach(path: Path) -> bool:
    """Whether any account may walk to `path`: every existing folder above it lets others pass."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents if folder.exists())


def _prepared(home: Home) -> Home:
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        # Passable but not readable for `nobody`, who owns a folder inside; private otherwise.
        home.path.chmod(0o711 if home.account else 0o700)
        for folder in (home.media, home.static):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise HomeError(f"cannot use {home.path}: {error.strerror}") from error
    return home


def check_room(home: Home) -> None:
    """Raises HomeError when the disk is as good as full."""
    free_mb = shutil.disk_usage(home.path).free // 2**20
    if free_mb < NEEDED_MB:
        raise HomeError(f"disk full: {free_mb} MB free in {home.path}, {NEEDED_MB} MB are needed")


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Holds the home for this process; raises HomeInUseError naming who holds it already."""
    with (home.path / "lock").open("a+") as held:
        if not take(held, fcntl.LOCK_EX):
            raise HomeInUseError(_held_by(home))
        home.remove_running()
        try:
            yield
        finally:
            home.remove_running()


def take(lock: TextIO, kind: int) -> bool:
    """Tries for a lock without waiting."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True


def _held_by(home: Home) -> str:
    running = home.read_running()
    who = f"{running.command}, process {running.pid}" if running else "still starting"
    return f"already running on {home.path} ({who}); stop it first or set POSDOCTOR_HOME"
