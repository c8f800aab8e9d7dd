"""Texts are found wherever they stand, kept in small diffs, and judged before they ship."""

import gettext as gnu
import io
import os
from pathlib import Path

import polib
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from posdoctor.core import translations
from posdoctor.core.translations import (
    BadTextError,
    Key,
    Message,
    compile_catalogue,
    extract,
    problems,
    read_merge_file,
    update,
)

PYTHON = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext, npgettext, pgettext

ONE = _("plain")
TWO = gettext_lazy(
    "in two "
    "parts"
)
THREE = pgettext("status", "Open")
FOUR = ngettext("%(n)s step", "%(n)s steps", 3)
FIVE = npgettext("unit", "%d day", "%d days", 3)
SIX = _('quotes "inside" and \\n a break')
NOT = _(f"never {ONE}")
NOR = _(ONE)
print("not a text")
"""
TEMPLATE = """{% load i18n %}
{# a comment with _("nothing") #}
  {% comment %}{% translate "dead" %}{% endcomment %}
<p title="{% translate 'a title' %}">{% translate "Open" context "deed" %}</p>
    {{ value|default:_("nothing yet") }}
 {% if a %}
{% translate "100% right" as x %}{% endif %}
{% blocktranslate trimmed with name=person.name %}
   Hello %(not) {{ name }},
   welcome (again).
{% endblocktranslate %}
  {% blocktranslate trimmed count n=steps|length context "walk" %}
    One step
  {% plural %}
    {{ n }} steps
  {% endblocktranslate %}
don't "mind' unbalanced ( text [ here
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small checkout with one module and two templates."""
    (tmp_path / "tickets").mkdir()
    (tmp_path / "tickets" / "models.py").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "templates" / "emails").mkdir(parents=True)
    (tmp_path / "templates" / "page.html").write_text(TEMPLATE, encoding="utf-8")
    mail = '{% load i18n %}{% translate "Good day" %}\n{% translate "plain" %}'
    (tmp_path / "templates" / "emails" / "hello.txt").write_text(mail, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text('_("only in a test")', encoding="utf-8")
    return tmp_path


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    return tmp_path / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


def message(msgid: str, plural: str | None = None, context: str | None = None) -> Message:
    return Message(Key(msgid, context), plural, ("somewhere.py",))


def in_chinese(catalogue: Path) -> dict[Key, str]:
    return {
        Key(e.msgid, e.msgctxt): e.msgstr or e.msgstr_plural.get(0, "")
        for e in polib.pofile(str(catalogue))
        if not e.obsolete
    }


def test_texts_of_python_and_templates_are_found(source: Path):
    found = {(m.key.context, m.key.msgid): m.plural for m in extract(source)}
    del found[None, "This field is required."]  # worded anew, always there
    assert found == {
        (None, "plain"): None,
        (None, "in two parts"): None,
        ("status", "Open"): None,
        (None, "%(n)s step"): "%(n)s steps",
        ("unit", "%d day"): "%d days",
        (None, 'quotes "inside" and \n a break'): None,
        (None, "a title"): None,
        ("deed", "Open"): None,
        (None, "nothing yet"): None,
        (None, "100%% right"): None,
        (None, "Hello %%(not) %(name)s, welcome (again)."): None,
        ("walk", "One step"): "%(n)s steps",
        (None, "Good day"): None,
    }


def test_a_text_names_every_file_that_uses_it(source: Path):
    files = {m.key.msgid: m.files for m in extract(source)}
    assert files["plain"] == ("templates/emails/hello.txt", "tickets/models.py")


def test_texts_come_in_a_stable_order(source: Path):
    keys = [(m.key.msgid, m.key.context or "") for m in extract(source)]
    assert keys == sorted(keys)


def test_a_broken_template_is_named(source: Path):
    page = "{% blocktranslate %}a{% if b %}c{% endif %}{% endblocktranslate %}"
    (source / "templates" / "bad.html").write_text(page, encoding="utf-8")
    with pytest.raises(BadTextError, match=r"templates/bad\.html"):
        extract(source)


def test_every_tag_of_our_own_templates_is_found():
    tags, texts = 0, 0
    for file in translations.source_files():
        if file.suffix == ".py":
            continue
        page = file.read_text(encoding="utf-8")
        tags += page.count("{% translate ") + page.count("{% blocktranslate ")
        texts += len(list(translations._texts_in(page, is_python=False)))
    assert texts >= tags > 100


def test_the_catalogue_grows_and_keeps_translations(catalogue: Path):
    update([message("b"), message("a")], [(Key("a"), "甲")], catalogue=catalogue)
    changes = update([message("a"), message("b"), message("c")], catalogue=catalogue)
    assert changes.added == [Key("c")]
    assert in_chinese(catalogue) == {Key("a"): "甲", Key("b"): "", Key("c"): ""}


def test_the_same_texts_give_the_same_bytes(catalogue: Path):
    messages = [message("b"), message("a", "as"), message("a", context="x"), message("z" * 200)]
    update(messages, [(Key("b"), "很长" * 100)], catalogue=catalogue)
    before = catalogue.read_bytes()
    update(list(reversed(messages)), catalogue=catalogue)
    assert catalogue.read_bytes() == before
    assert b"POT-Creation-Date" not in before
    assert b"#:" not in before


def test_retired_texts_wait_and_come_back(catalogue: Path):
    update([message("a"), message("b")], [(Key("a"), "甲")], catalogue=catalogue)
    changes = update([message("b")], catalogue=catalogue)
    assert changes.retired == [Key("a")]
    assert Key("a") not in in_chinese(catalogue)
    update([message("a"), message("b")], catalogue=catalogue)
    assert in_chinese(catalogue)[Key("a")] == "甲"


def test_pruning_forgets_retired_texts(catalogue: Path):
    update([message("a"), message("b")], [(Key("a"), "甲")], catalogue=catalogue)
    update([message("b")], catalogue=catalogue, prune=True)
    assert "甲" not in catalogue.read_text(encoding="utf-8")


def test_contexts_keep_equal_words_apart(catalogue: Path):
    messages = [message("Open"), message("Open", context="deed")]
    merges = [(Key("Open"), "未结"), (Key("Open", "deed"), "打开")]
    update(messages, merges, catalogue=catalogue)
    assert in_chinese(catalogue) == dict(merges)


@pytest.mark.parametrize("given", ["%(n)s step", "%(n)s steps"])
def test_one_chinese_form_serves_both_numbers(catalogue: Path, given: str):
    messages = [message("%(n)s step", "%(n)s steps")]
    update(messages, [(Key(given), "%(n)s 步")], catalogue=catalogue)
    assert problems(messages, catalogue=catalogue) == []
    assert compile_catalogue(catalogue)
    with catalogue.with_suffix(".mo").open("rb") as file:
        compiled = gnu.GNUTranslations(file)
    assert {compiled.ngettext("%(n)s step", "%(n)s steps", n) for n in (0, 1, 2)} == {"%(n)s 步"}


def test_a_text_that_becomes_plural_keeps_its_chinese(catalogue: Path):
    update([message("%(n)s step")], [(Key("%(n)s step"), "%(n)s 步")], catalogue=catalogue)
    update([message("%(n)s step", "%(n)s steps")], catalogue=catalogue)
    assert in_chinese(catalogue)[Key("%(n)s step")] == "%(n)s 步"


def test_words_for_unknown_texts_are_named_and_kept_aside(catalogue: Path):
    changes = update([message("a")], [(Key("typo"), "错字")], catalogue=catalogue)
    assert changes.unknown == [Key("typo")]
    assert "#~ msgid" in catalogue.read_text(encoding="utf-8")


def test_merge_files_have_two_or_three_columns(tmp_path: Path):
    file = tmp_path / "words.tsv"
    file.write_text(
        "# note\n\nBack\t返回\nstatus\tOpen\t未结\nTwo\\nlines\t两\\n行\n", encoding="utf-8"
    )
    assert read_merge_file(file) == [
        (Key("Back"), "返回"),
        (Key("Open", "status"), "未结"),
        (Key("Two\nlines"), "两\n行"),
    ]


@pytest.mark.parametrize("line", ["only one", "a\tb\tc\td", "Back\t", "\t返回"])
def test_a_bad_line_is_named(tmp_path: Path, line: str):
    file = tmp_path / "words.tsv"
    file.write_text(f"Good\t好\n{line}\n", encoding="utf-8")
    with pytest.raises(BadTextError, match=r"words\.tsv:2"):
        read_merge_file(file)


@pytest.mark.parametrize(
    ("english", "chinese", "what"),
    [
        ("Save", "", "not translated"),
        ("Hello %(name)s", "您好", "placeholders"),
        ("Hello %(name)s", "您好 %(nme)s", "placeholders"),
        ("%s of %s", "共 %s", "placeholders"),
        ("Hello {name}", "您好 {}", "placeholders"),
        ("See <a>help</a>", "看帮助", "placeholders"),
        ("Done", "好了哦", "哦"),
        ("Dear", "亲，您好", "亲"),
        ("Sign in", "登陆", "登录"),
        ("Other", "其它", "其他"),
        ("Done", "完成！", "exclamation"),
        ("Done", "完成!", "exclamation"),
        ("Yes, done", "好,完成", "half-width"),
        ("Why?", "为什么?", "half-width"),
        ("Time: now", "时间:现在", "half-width"),
        ("Name (optional)", "姓名(可不填)", "half-width"),
        ("Done.", "完成.", "half-width"),
    ],
)
def test_what_must_not_ship_is_found(catalogue: Path, english: str, chinese: str, what: str):
    messages = [message(english)]
    update(messages, [(Key(english), chinese)], catalogue=catalogue)
    found = [str(problem) for problem in problems(messages, catalogue=catalogue)]
    assert len(found) == 1
    assert what in found[0]
    assert english in found[0]


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Hello %(name)s, welcome.", "%(name)s，您好。"),
        ("{n} of {total}", "共 {total} 条，第 {n} 条"),
        ("100%% sure", "100%% 确定"),
        ("At 16:30, P-234567 (v2.1)", "16:30，P-234567（v2.1）"),
        ("In person", "本人亲自办理"),
        ("<b>Stop</b> now", "请<b>停用</b>"),
        ("%(time)s:%(name)s", "%(time)s:%(name)s"),
        ("Error: ", "错误："),
    ],
)
def test_good_translations_pass(catalogue: Path, english: str, chinese: str):
    messages = [message(english)]
    update(messages, [(Key(english), chinese)], catalogue=catalogue)
    assert problems(messages, catalogue=catalogue) == []


def test_a_text_the_catalogue_lacks_is_found_with_its_files(catalogue: Path):
    update([message("a")], [(Key("a"), "甲")], catalogue=catalogue)
    found = problems([message("a"), message("new")], catalogue=catalogue)
    assert [str(p) for p in found] == ["not in the catalogue, used in somewhere.py: 'new'"]


def test_a_fuzzy_translation_is_found_and_not_compiled(catalogue: Path):
    update([message("a")], [(Key("a"), "甲")], catalogue=catalogue)
    text = catalogue.read_text(encoding="utf-8")
    catalogue.write_text(text.replace('msgid "a"', '#, fuzzy\nmsgid "a"'), encoding="utf-8")
    assert [p.what for p in problems([message("a")], catalogue=catalogue)] == ["marked fuzzy"]
    compile_catalogue(catalogue)
    with catalogue.with_suffix(".mo").open("rb") as file:
        assert gnu.GNUTranslations(file).gettext("a") == "a"


def test_compiling_happens_once_per_change(catalogue: Path):
    assert not compile_catalogue(catalogue)
    update([message("a")], [(Key("a"), "甲")], catalogue=catalogue)
    assert compile_catalogue(catalogue)
    assert not compile_catalogue(catalogue)
    os.utime(catalogue, (1, 1))  # an older catalogue, checked out over a newer one
    assert compile_catalogue(catalogue)
    assert sorted(p.name for p in catalogue.parent.iterdir()) == ["django.mo", "django.po"]


def test_the_check_lists_what_is_missing_and_fails(
    source: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
):
    messages = extract(source)
    update(messages, catalogue=catalogue)
    monkeypatch.setattr(translations, "extract", lambda: messages)
    real = translations.problems
    monkeypatch.setattr(translations, "problems", lambda m: real(m, catalogue=catalogue))
    out = io.StringIO()
    with pytest.raises(CommandError, match=f"{len(messages)} of {len(messages)} texts need work"):
        call_command("compile_texts", "--check", stdout=out)
    assert "not translated: 'Open' (status)" in out.getvalue().splitlines()


def test_the_update_command_merges_and_reports(
    source: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    messages = extract(source)
    monkeypatch.setattr(translations, "extract", lambda: messages)
    for name in ("update", "problems"):
        real = getattr(translations, name)
        monkeypatch.setattr(
            translations, name, lambda *a, real=real, **k: real(*a, catalogue=catalogue, **k)
        )
    words = tmp_path / "words.tsv"
    words.write_text("a title\t标题\nunknown\t未知\n", encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    call_command("update_texts", "--merge", str(words), stdout=out, stderr=err)
    assert f"{len(messages)} texts, {len(messages)} new" in out.getvalue()
    assert "no source file has: 'unknown'" in err.getvalue()
    assert in_chinese(catalogue)[Key("a title")] == "标题"


def test_a_missing_merge_file_is_said_in_one_line():
    with pytest.raises(CommandError, match=r"nowhere\.tsv"):
        call_command("update_texts", "--merge", "nowhere.tsv")


# --- The product's own texts --------------------------------------------------------------------


def test_no_text_of_the_product_is_missing_or_wrong():
    assert [str(problem) for problem in problems(extract())] == []


def test_the_catalogue_is_written_by_the_command_alone(tmp_path: Path):
    copy = tmp_path / "django.po"
    copy.write_bytes(translations.CATALOGUE.read_bytes())
    update(extract(), catalogue=copy)
    assert copy.read_bytes() == translations.CATALOGUE.read_bytes()


def test_both_languages_are_served():
    compile_catalogue()
    with translation.override("zh-hans"):
        assert translation.gettext("Close") == "关闭"
        assert translation.ngettext("%(n)s step", "%(n)s steps", 2) == "%(n)s 步"
    with translation.override("en"):
        assert translation.gettext("Close") == "Close"
        assert translation.gettext("This field is required.") == "This field is required."
        assert translation.ngettext("%(n)s step", "%(n)s steps", 1) == "%(n)s step"
        assert translation.ngettext("%(n)s step", "%(n)s steps", 2) == "%(n)s steps"
