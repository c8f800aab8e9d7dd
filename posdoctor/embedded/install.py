"""Keeps .venv in step with a lock file. Run by bin/_env with the machine's own Python.

Stands alone: it runs before anything is installed and imports no other module of POSDoctor.
Two stamps inside .venv make the second run instant: the Python that built it, and per lock
file the checksum of what was installed.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
VENV = CHECKOUT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
# Room for the packages while they are unpacked, in MB: measured, rounded up.
NEEDED_MB = {"local": 500, "dev": 900}


class InstallError(Exception):
    """What is wrong, in one line."""


def main(lock_name: str) -> None:
    """Installs requirements/<lock_name>.txt with hashes unless the stamp says it is there."""
    lock = CHECKOUT / "requirements" / f"{lock_name}.txt"
    if _is_current(lock):
        return
    with _one_at_a_time():
        if _is_current(lock):
            return
        _check_room(lock_name)
        if not _venv_works():
            _build_venv()
        _install(lock)
        _stamp(lock).write_text(_checksum(lock))


def _is_current(lock: Path) -> bool:
    stamp = _stamp(lock)
    return stamp.exists() and stamp.read_text() == _checksum(lock) and _venv_works()


def _stamp(lock: Path) -> Path:
    return VENV / f"posdoctor-{lock.stem}"


def _checksum(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _venv_works() -> bool:
    """Whether .venv's Python runs, is the one that built it, and the folder was not moved.

    A .venv made with another person's private Python, or before a distribution's upgrade,
    fails here and is built anew.
    """
    try:
        shown = subprocess.run(
            [VENV_PYTHON, "-c", "import sys; print(sys.version_info[:2], sys.prefix)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        config = (VENV / "pyvenv.cfg").read_text()
    except (OSError, subprocess.CalledProcessError):
        return False
    settings = dict(line.split(" = ", 1) for line in config.splitlines() if " = " in line)
    built_with = tuple(int(part) for part in settings.get("version", "0.0").split(".")[:2])
    moved = not settings.get("command", "").endswith(str(VENV))
    return shown == f"{built_with} {VENV}\n" and not moved


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Waits while another bin/up, bin/test or bin/manage installs into the same .venv."""
    try:
        lock_file = (CHECKOUT / ".venv.lock").open("w")
    except OSError as error:
        raise InstallError(f"cannot write to {CHECKOUT}: {error.strerror}") from error
    with lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield


def _check_room(lock_name: str) -> None:
    free_mb = shutil.disk_usage(CHECKOUT).free // 2**20
    if free_mb < NEEDED_MB[lock_name]:
        raise InstallError(
            f"disk full: {free_mb} MB free in {CHECKOUT}, "
            f"the packages need {NEEDED_MB[lock_name]} MB"
        )


def _build_venv() -> None:
    """Makes .venv without a pip of its own where this Python's pip can install into it.

    That is quicker, and works on Debian, where ensurepip is a package of its own.
    """
    if VENV.exists():
        _say("This .venv was made by another Python or in another place; building it anew")
        shutil.rmtree(VENV, ignore_errors=True)
    options = ["--without-pip"] if _has("pip") else []
    made = subprocess.run(
        [sys.executable, "-m", "venv", *options, VENV], capture_output=True, text=True, check=False
    )
    if made.returncode:
        if not options and not _has("ensurepip"):
            raise InstallError(f"{sys.executable} has no pip: install it (on Debian: python3-pip)")
        raise InstallError(_reason(made.stdout + made.stderr))


def _has(module: str) -> bool:
    probe = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _install(lock: Path) -> None:
    """Runs pip with hashes and wheels only; tells every ten seconds that it still works."""
    if _has("pip"):
        pip = [sys.executable, "-m", "pip", "--python", str(VENV_PYTHON)]
    else:
        pip = [str(VENV_PYTHON), "-m", "pip"]
    options = ["--require-hashes", "--only-binary=:all:", "--no-input", "--no-compile", "--quiet"]
    started = time.monotonic()
    _say(f"Installing the packages of {lock.relative_to(CHECKOUT)} ...")
    with (VENV / "install.log").open("w+") as log:
        running = subprocess.Popen(
            [*pip, "install", "--disable-pip-version-check", *options, "-r", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while _still_runs(running, seconds=10):
                _say(f"... still installing, {time.monotonic() - started:.0f} s")
        except KeyboardInterrupt:
            running.terminate()
            running.wait()
            raise
        log.seek(0)
        if running.returncode:
            raise InstallError(_reason(log.read()))
    _say(f"Packages installed in {time.monotonic() - started:.1f} s")


def _still_runs(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _reason(output: str) -> str:
    """One line out of pip's many: the known causes by name, else pip's last error."""
    if "No space left on device" in output:
        return f"disk full: no room left to install the packages in {VENV}"
    for line in output.splitlines():
        if "No matching distribution found for" in line:
            package = line.split("found for", 1)[1].split("(")[0].strip()
            if _index_unreachable(output):
                return f"no package index can be reached (looking for {package})"
            return (
                f"no wheel of {package} for this platform ({sys.platform}, Python "
                f"{sys.version_info[0]}.{sys.version_info[1]}); POSDoctor runs on Linux with "
                "glibc and on macOS"
            )
    errors = [line for line in output.splitlines() if line.lower().startswith("error")]
    told = errors or output.strip().splitlines() or ["no message"]
    return f"pip could not install: {told[-1].strip()} (all of it: {VENV / 'install.log'})"


def _index_unreachable(output: str) -> bool:
    signs = (
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "Connection refused",
    )
    return any(sign in output for sign in signs)


def _say(line: str) -> None:
    print(f"posdoctor | {line}", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except InstallError as refusal:
        sys.exit(f"posdoctor | {refusal}")
    except OSError as error:
        sys.exit(f"posdoctor | cannot install: {error.strerror}: {error.filename}")
    except KeyboardInterrupt:
        sys.exit(130)
