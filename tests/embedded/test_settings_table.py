"""docs/settings.md, docker-compose.yml and the Dockerfile name the settings that really exist."""

import ast
import re

import pytest
import yaml

from posdoctor.embedded.engines import LOCALE
from posdoctor.embedded.home import CHECKOUT

SETTINGS = CHECKOUT / "posdoctor" / "settings.py"
TABLE = CHECKOUT / "docs" / "settings.md"
READERS = {"text", "flag", "words", "database", "mail"}
# Read by compose and the images themselves, not by the application.
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "VALKEY_PASSWORD", "POSDOCTOR_VERSION", "PORT"}
FROM_OUTSIDE = re.compile(r"\$\{([A-Z_]+)")


def settings_read() -> dict[str, str | None]:
    """Name -> constant default of every `env.reader("NAME", default)` in settings.py."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse(SETTINGS.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        if isinstance(owner, ast.Name) and owner.id == "env" and node.func.attr in READERS:
            name, *defaults = node.args + [keyword.value for keyword in node.keywords]
            assert isinstance(name, ast.Constant)
            default = defaults[0] if defaults else ast.Constant("")
            found[str(name.value)] = constant(default)
    return found


def constant(node: ast.expr) -> str | None:
    """The text of a constant default; None for one that is computed."""
    if not isinstance(node, ast.Constant):
        return None
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def table_of(heading: str) -> dict[str, str]:
    """Name -> default cell of the table under a heading."""
    section = TABLE.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    rows = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            names, default = line.split("|")[1:3]
            rows.update(dict.fromkeys(re.findall(r"`([A-Z_]+)`", names), default.strip()))
    return rows


def test_the_table_has_every_setting_and_no_other() -> None:
    assert sorted(table_of("The application")) == sorted(settings_read())


@pytest.mark.parametrize(
    ("name", "default"),
    [(name, default) for name, default in settings_read().items() if default is not None],
)
def test_the_table_shows_the_default(name: str, default: str) -> None:
    shown = table_of("The application")[name]
    assert shown == (f"`{default}`" if default else "none")


def test_the_command_table_has_every_variable_of_the_commands() -> None:
    sources = [*CHECKOUT.glob("posdoctor/embedded/*.py"), CHECKOUT / "tests" / "conftest.py"]
    pattern = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"|"([A-Z_]+)" not in os\.environ')
    found = {
        first or second
        for source in sources
        for first, second in pattern.findall(source.read_text(encoding="utf-8"))
    }
    inner = {"CALLED_FROM", "PATH", "POSDOCTOR_NIGHTLY", "ALLOWED_HOSTS", "DJANGO_SETTINGS_MODULE"}
    listed = set(table_of("The commands in `bin/`"))
    assert found - inner <= listed
    assert listed - found <= {"PYTHON", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"}  # by given(), sh


def compose() -> dict[str, dict[str, dict[str, object]]]:
    text = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_compose_sets_only_settings_that_exist_and_all_that_production_needs() -> None:
    services = compose()["services"]
    known = set(settings_read())
    application = {name for name, service in services.items() if "build" in service}
    assert application == {"migrate", "web", "worker", "beat", "ticker"}
    for name in application:
        environment = services[name]["environment"]
        assert isinstance(environment, dict)
        assert set(environment) <= known
        without_default = {setting for setting, default in settings_read().items() if not default}
        from_image = {"MEDIA_ROOT", "STATIC_ROOT"}
        assert without_default - from_image - {"ALIVE_FILE"} <= set(environment)
        assert ("ALIVE_FILE" in environment) == (name in {"beat", "ticker"})
        pooled = environment.get("POSDOCTOR_DB_POOL") == "true"
        assert pooled == (name == "web"), "a pool does not survive the worker's fork"


def test_compose_reads_only_documented_names() -> None:
    text = (CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8")
    assert set(FROM_OUTSIDE.findall(text)) <= set(settings_read()) | COMPOSE_ONLY


def test_compose_makes_the_database_with_the_locale_of_the_embedded_one() -> None:
    environment = compose()["services"]["db"]["environment"]
    assert isinstance(environment, dict)
    assert environment["POSTGRES_INITDB_ARGS"].split() == list(LOCALE)


def test_compose_hardens_every_process_of_ours() -> None:
    for name, service in compose()["services"].items():
        if "build" in service:
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_image_holds_production_packages_and_drops_root() -> None:
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ") and "--" not in line]
    assert copied == ["requirements/base.txt", "."]
    users = [index for index, line in enumerate(lines) if line.startswith("USER ")]
    commands = [index for index, line in enumerate(lines) if line.startswith(("RUN ", "COPY "))]
    assert users
    assert users[-1] > commands[-1]
    assert lines[users[-1]] == "USER posdoctor"
    environment = set(re.findall(r"([A-Z_]+_ROOT)=", "\n".join(lines)))
    assert environment == {"MEDIA_ROOT", "STATIC_ROOT"} <= set(settings_read())


def test_the_image_gets_every_app_and_none_of_the_local_stack() -> None:
    ignore = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    packages = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    packages -= {"benchmarks", "tests"}
    assert {f"!{package}" for package in packages} <= set(ignore)
    assert "posdoctor/embedded" in ignore


def test_readme_shows_the_same_table() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    rows = TABLE.read_text(encoding="utf-8").split("## The commands")[0].splitlines()
    missing = [row for row in rows if row.startswith("| ") and row not in readme]
    assert not missing
