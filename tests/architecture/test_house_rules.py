"""Rules of the house that a linter cannot see: read from the source with `ast`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

from posdoctor.core.fields import FreeCharField, FreeTextField

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ["posdoctor", "merchants", "terminals", "diagnostics", "tickets"]
OURS = {"core", "accounts", "notifications", "merchants", "terminals", "diagnostics", "tickets"}

# Columns that no person types freely: keys, codes, choices, versions, machine output.
# A new text column is either free text (FreeCharField, FreeTextField) or named here.
MACHINE_COLUMNS = {
    "core.heartbeat": {"name"},
    "core.counter": {"name", "label", "bound"},
    "core.doorcount": {"key"},
    "core.idempotencykey": {"caller", "key", "method", "path", "digest"},
    "accounts.provider": {"slug", "hotline", "time_zone"},
    "accounts.user": {"ref", "email", "password", "language", "theme"},
    "accounts.team": {"ref"},
    "accounts.seat": {"role"},
    "accounts.apitoken": {"ref", "digest", "tail"},
    "accounts.accountevent": {"kind", "actor_role"},
    "notifications.delivery": {
        "source",
        "kind",
        "channel",
        "url",
        "state",
        "provider_ref",
        "last_error",
    },
    "merchants.merchant": {"ref", "number", "fee_class"},
    "merchants.store": {"ref", "city_tier", "time_zone"},
    "merchants.contact": {"ref", "phone", "email", "language"},
    "terminals.terminalmodel": {
        "slug",
        "vendor",
        "vendor_zh",
        "name",
        "form",
        "os",
        "note",
    },
    "terminals.terminal": {
        "ref",
        "serial",
        "firmware",
        "app_version",
        "connection",
        "sim_iccid",
        "sim_operator",
        "state",
        "sticker_code",
        "stopped_for",
    },
    "terminals.terminalnumber": {"kind", "number"},
    "terminals.terminalevent": {"kind", "actor_role"},
    "diagnostics.flowversion": {"symptom", "digest"},
    "diagnostics.flowdraft": {"symptom", "digest", "approved_digest", "compared_digest"},
    "diagnostics.flowdraftrevision": {"change"},
    "diagnostics.owncode": {"ref", "key", "scheme", "check_id", "symptom"},
    "diagnostics.unknowncode": {"ref", "key", "scheme", "state"},
    "diagnostics.diagnosisrun": {
        "ref",
        "browser_key",
        "via",
        "language",
        "state",
        "order",
        "tree_key",
    },
    "diagnostics.paramsnapshot": {"state"},
    "diagnostics.compiledtree": {"key"},
    "diagnostics.diagnosisstep": {"step_id", "answer_id"},
    "diagnostics.loganalysis": {"ref", "source"},
    "tickets.ticket": {
        "ref",
        "track_token",
        "symptom",
        "source",
        "language",
        "status",
        "priority",
        "impact",
        "contact_phone",
        "wait_for",
        "cause",
        "certainty",
        "fixed_by",
        "proof",
    },
    "tickets.ticketevent": {"kind", "actor_role", "via"},
    "tickets.message": {"kind"},
    "tickets.triedfix": {"step_id"},
    "tickets.reportdraft": {"contact_phone", "impact"},
    "tickets.attachment": {"key", "content_type", "extension", "sha256", "file"},
    "tickets.calendar": {"ref", "time_zone"},
    "tickets.calendarday": {"kind"},
    "tickets.policy": {"ref"},
    "tickets.target": {"promise", "priority"},
    "tickets.clock": {"promise", "state"},
    "tickets.segment": {"kind", "reason"},
    "tickets.alert": {"state"},
}


def sources(*, below: str = "") -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts and below in str(path):
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in OURS]


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label_lower)
def test_every_text_column_masks_card_data_or_is_no_free_text(model: type[models.Model]):
    known = MACHINE_COLUMNS.get(model._meta.label_lower, set())
    texts = {
        field.name
        for field in model._meta.local_fields
        if isinstance(field, models.CharField | models.TextField | models.FileField)
    }
    free = {
        field.name
        for field in model._meta.local_fields
        if isinstance(field, FreeCharField | FreeTextField)
    }
    assert texts - free == known


@pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label_lower)
def test_every_tenant_row_carries_its_provider(model: type[models.Model]):
    shared = {
        "core.heartbeat",
        "core.counter",
        "core.doorcount",
        "accounts.provider",
        "accounts.user",
        "terminals.terminalmodel",
        # Of numbers and classes of machines alone; a snapshot's are its provider's.
        "diagnostics.compiledtree",
    }
    # These hang on exactly one parent that carries it.
    parts = {
        "merchants.membership",
        "terminals.terminalnumber",
        "tickets.calendarhours",
        "tickets.calendarday",
        "tickets.target",
        "tickets.segment",
        "tickets.alert",
        "diagnostics.diagnosisstep",
        "diagnostics.flowdraftrevision",
        "accounts.seat_teams",
    }
    if model._meta.label_lower in shared | parts:
        return
    assert "provider_id" in {field.attname for field in model._meta.local_fields}


def test_only_moves_assign_a_ticket_status():
    allowed = {("parts.py", "move"), ("stories.py", "_move")}  # the second makes up a past
    found = []
    for path, tree in sources(below="tickets"):
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                targets = node.targets if isinstance(node, ast.Assign) else []
                for target in targets:
                    if isinstance(target, ast.Attribute) and target.attr == "status":
                        found.append((path.name, function.name))
    assert set(found) == allowed


def test_edges_ask_for_rows_only_through_visible_to():
    """`Model.objects` in a view is followed by a set that is bounded by an actor or a proof."""
    bounded = {
        "visible_to",
        "by_sticker",
        "by_track_token",
        "of_browser",
        "published",
        "active",
    }
    shared = {"TerminalModel", "FlowVersion", "IdempotencyKey"}
    bad = []
    for path, tree in [*sources(below="views"), *sources(below="/api/")]:
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)):
                continue
            inner = node.value
            if inner.attr != "objects" or not isinstance(inner.value, ast.Name):
                continue
            if inner.value.id not in shared and node.attr not in bounded:
                bad.append(
                    f"{path.relative_to(ROOT)}:{node.lineno} {inner.value.id}.objects.{node.attr}"
                )
    assert not bad, bad


def test_actions_know_neither_requests_nor_forms():
    web = ("django.http", "django.shortcuts", "django.forms")
    bad = []
    for path, tree in sources():
        if path.name != "actions.py" and path.parent.name != "actions":
            continue
        for node in ast.walk(tree):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            bad += [f"{path}: {name}" for name in names if name.startswith(web)]
    assert not bad, bad


def test_migrations_are_named():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("migrations/0*.py"):
            assert not re.search(r"_auto_\d", path.name), path


def test_no_module_is_a_drawer_for_odds_and_ends():
    forbidden = {"utils", "helpers", "common", "misc", "manager", "handlers", "services"}
    bad = [path for path, _tree in sources() if path.stem in forbidden]
    assert not bad


def test_lock_files_name_no_address():
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_templates_hold_no_inline_script_or_style():
    """SECURITY: the policy would block them; a page that relies on one is broken."""
    bad = []
    for path in sorted(ROOT.glob("templates/**/*.html")):
        if "emails" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        tags = r"\{% comment.*?endcomment %\}|\{#.*?#\}|\{%.*?%\}"
        text = re.sub(tags, "", text, flags=re.DOTALL)
        if re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text):
            bad.append(str(path.relative_to(ROOT)))
    assert not bad, bad
