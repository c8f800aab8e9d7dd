"""FlowVersion (a symptom's published diagnosis), DiagnosisRun (one walk), DiagnosisStep; and
FlowDraft, what authors make of a flow before it is published.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import get_language, gettext, pgettext_lazy

from diagnostics import learning
from diagnostics.codes import OWN, CodeEntry, bundled
from diagnostics.engine import Answer, Finding, evidence
from diagnostics.flow import Flow, Text, parse
from diagnostics.querysets import (
    CompiledTreeQuerySet,
    DiagnosisRunQuerySet,
    DiagnosisStepQuerySet,
    FlowDraftQuerySet,
    FlowVersionQuerySet,
    LogAnalysisQuerySet,
    OwnCodeQuerySet,
    ParamSnapshotQuerySet,
    UnknownCodeQuerySet,
)
from posdoctor.accounts.models import Provider
from posdoctor.core.fields import FreeCharField, FreeJSONField, FreeTextField
from posdoctor.core.refs import new_ref
from terminals.models import Terminal, TerminalModel


def run_ref() -> str:
    """A fresh `D-` reference."""
    return new_ref("D", 8)


class FlowVersion(models.Model):
    """One published version of one symptom's flow; immutable, so that a run can be replayed.

    Numbers count per provider and symptom. A database trigger refuses changes of the content.
    """

    # Null: shipped with the product, for every provider without a version of its own.
    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="flow_versions", null=True
    )
    symptom = models.SlugField(max_length=40)
    version = models.PositiveIntegerField()
    share = models.FloatField(default=0)
    document = FreeJSONField()
    # Tells an unchanged data file from a new version at set-up.
    digest = models.CharField(max_length=64)
    is_current = models.BooleanField(default=False)
    published_at = models.DateTimeField()
    # Empty for what is shipped.
    published_by_id = models.BigIntegerField(null=True)
    published_by_name = FreeCharField(max_length=80, blank=True)
    # Who approved the safety steps, where they changed.
    approved_by_id = models.BigIntegerField(null=True)
    approved_by_name = FreeCharField(max_length=80, blank=True)
    note = FreeCharField(max_length=200, blank=True)
    # Number of the earlier version whose content this one brings back.
    restored_from = models.PositiveIntegerField(null=True)

    objects = FlowVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "symptom", "version"],
                name="diagnostics_flow_version",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(
                fields=["provider", "symptom"],
                condition=models.Q(is_current=True),
                name="diagnostics_flow_current",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symptom} v{self.version}"

    @property
    def flow(self) -> Flow:
        """The document as typed values; parsed once a process, since versions never change."""
        if self.digest not in _FLOWS:
            _FLOWS[self.digest] = parse(self.document)
        return _FLOWS[self.digest]


_FLOWS: dict[str, Flow] = {}


class ParamSnapshot(models.Model):
    """Numbers that were learned for one flow from one provider's closed cases; immutable.

    The texts, steps and rules stay the version's own. A run keeps its snapshot to the end.
    """

    class State(models.TextChoices):
        PUBLISHED = "published", pgettext_lazy("snapshot", "In use or used")
        HELD = "held", pgettext_lazy("snapshot", "Held for approval")
        REJECTED = "rejected", pgettext_lazy("snapshot", "Rejected")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="snapshots")
    flow_version = models.ForeignKey(
        FlowVersion, on_delete=models.PROTECT, related_name="snapshots"
    )
    number = models.PositiveIntegerField()
    # As `learning.stored` writes them: causes, causes by terminal model, answers, cures.
    rates = models.JSONField()
    # How many cases, faded by age, and since when they were counted.
    cases = models.FloatField()
    made_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices)
    is_current = models.BooleanField(default=False)
    # What the gate found: differences, log-loss, expected minutes; and why it was held.
    report = models.JSONField(default=dict)
    # Empty where the gate let it through.
    decided_by_id = models.BigIntegerField(null=True)
    decided_by_name = FreeCharField(max_length=80, blank=True)
    decided_at = models.DateTimeField(null=True)

    objects = ParamSnapshotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "flow_version", "number"], name="diagnostics_snapshot_number"
            ),
            models.UniqueConstraint(
                fields=["provider", "flow_version"],
                condition=models.Q(is_current=True),
                name="diagnostics_snapshot_current",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_version_id} n{self.number}"


class CompiledTree(models.Model):
    """The whole policy of one flow for one class of terminals, as a look-up; made in a worker.

    Wanted by the first run of its class, and until it is made steps are worked out live.
    """

    # Digest of the flow's content, its snapshot and what `engine.class_of` says.
    key = models.CharField(max_length=64, unique=True)
    flow_version = models.ForeignKey(FlowVersion, on_delete=models.CASCADE, related_name="trees")
    snapshot = models.ForeignKey(
        ParamSnapshot, on_delete=models.CASCADE, related_name="trees", null=True
    )
    # What it is compiled from: attributes of a run, and answers known beforehand.
    attributes = models.JSONField()
    given = models.JSONField(default=list)
    # `engine.Table.steps` once it is made.
    table = models.JSONField(default=dict)
    minutes = models.FloatField(null=True)
    call_share = models.FloatField(null=True)
    wanted_at = models.DateTimeField()
    # A worker that died leaves its lease behind; another takes over when it is out.
    leased_until = models.DateTimeField(null=True)
    # A flow that cannot be compiled in a worker's time must not keep the workers busy for ever.
    tries = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField(null=True)

    objects = CompiledTreeQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["wanted_at"],
                condition=models.Q(made_at=None),
                name="diagnostics_tree_wanted",
            ),
        ]

    def __str__(self) -> str:
        return self.key[:12]


class DiagnosisRun(models.Model):
    """One walk through a flow, or the empty walk of a report filed without one."""

    class State(models.TextChoices):
        RUNNING = "running", pgettext_lazy("run", "Under way")
        SOLVED = "solved", pgettext_lazy("run", "Solved by self-check")
        CALL = "call", pgettext_lazy("run", "Not solved")
        STOP_USE = "stop_use", pgettext_lazy("run", "Stopped for safety")
        DIRECT = "direct", pgettext_lazy("run", "Reported directly")

    class Order(models.TextChoices):
        EXPECTED = "expected", pgettext_lazy("run", "By expected minutes")
        AUTHORED = "authored", pgettext_lazy("run", "As written")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="runs")
    ref = models.CharField(max_length=12, default=run_ref)
    terminal = models.ForeignKey(Terminal, on_delete=models.PROTECT, related_name="runs")
    # Null: reported directly, nothing was checked.
    flow_version = models.ForeignKey(
        FlowVersion, on_delete=models.PROTECT, related_name="runs", null=True
    )
    # What was known of the terminal at the start; a later change must not alter a replay.
    attributes = models.JSONField(default=dict)
    # [[step id, answer id, whence]]: known beforehand, so that nobody is asked.
    given = models.JSONField(default=list)
    # One run in ten keeps the authored order, so that what the choice gains can be shown.
    order = models.CharField(max_length=10, choices=Order.choices, default=Order.EXPECTED)
    # Learned numbers; null: the version's own.
    snapshot = models.ForeignKey(
        ParamSnapshot, on_delete=models.PROTECT, related_name="runs", null=True
    )
    # Of the compiled tree; empty where steps are worked out.
    tree_key = models.CharField(max_length=64, blank=True)
    # Digest of the signed cookie's value; empty for walks that the desk leads by phone.
    browser_key = models.CharField(max_length=64, blank=True)
    user_id = models.BigIntegerField(null=True)
    via = models.CharField(max_length=10, default="web")
    language = models.CharField(max_length=10, default="zh-hans")
    # The merchant's own words, or what the screen says.
    screen_text = FreeCharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    # {"kind", "causes": [[fault id, weight]], "advice": id} once it ended.
    outcome = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = DiagnosisRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="diagnostics_run_ref"),
            models.UniqueConstraint(fields=["provider", "id"], name="diagnostics_run_tenant"),
        ]
        indexes = [
            # Read at every step page: the browser's newest walk of this terminal.
            models.Index(fields=["browser_key", "terminal", "-id"], name="diagnostics_run_browser"),
            # Read when a check begins: who else reports the same just now.
            models.Index(fields=["provider", "-started_at"], name="diagnostics_run_lately"),
            # Read by the terminal's history.
            models.Index(fields=["terminal", "-started_at"], name="diagnostics_run_history"),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def symptom_title(self) -> str:
        """What is wrong, in staff words of the active language; plain where nothing was checked."""
        if self.flow_version is None:
            return gettext("Reported without self-check")
        return self.flow_version.flow.title.get(reader_language())

    @property
    def advice(self) -> str:
        """What the end of the walk tells the merchant, in the reader's language; empty before."""
        name = self.outcome.get("advice")
        if self.flow_version is None or not name:
            return ""
        return self.flow_version.flow.advice(str(name)).get(reader_language())

    @property
    def next_number(self) -> int:
        """The number of the step that is asked next, from 1."""
        return len(self.ordered_steps()) + 1

    def findings(self) -> list[Finding]:
        """What was asked and answered, in order, as texts of the flow."""
        if self.flow_version is None:
            return []
        return evidence(self.flow_version.flow, [*self.known(), *self.answers()])

    def known(self) -> list[Answer]:
        """What was known beforehand, as answers that nobody had to give."""
        return [Answer(step, answer, given=True) for step, answer, _whence in self.given]

    @property
    def numbers(self) -> Flow:
        """The flow with the numbers of this run: learned ones where it has a snapshot."""
        assert self.flow_version is not None
        if self.snapshot is None:
            return self.flow_version.flow
        model = str(self.attributes.get("model", ""))
        return learning.with_rates(self.flow_version.flow, self.snapshot.rates, model=model)

    def answers(self) -> list[Answer]:
        """The answers in the order of the walk."""
        return [Answer(step.step_id, step.answer_id) for step in self.ordered_steps()]

    def ordered_steps(self) -> list["DiagnosisStep"]:
        """The walk's steps by position; uses a prefetch where there is one."""
        return sorted(self.steps.all(), key=lambda step: step.position)


class DiagnosisStep(models.Model):
    """One answered step of a walk."""

    run = models.ForeignKey(DiagnosisRun, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    step_id = models.CharField(max_length=60)
    answer_id = models.CharField(max_length=60)
    answered_at = models.DateTimeField()

    objects = DiagnosisStepQuerySet.as_manager()

    class Meta:
        constraints = [
            # A repeated tap cannot answer twice.
            models.UniqueConstraint(fields=["run", "position"], name="diagnostics_step_position")
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.step_id}: {self.answer_id}"


class FlowDraft(models.Model):
    """What a provider's authors are making of one symptom's flow; one at a time per symptom.

    Its document is always readable by `flow.parse`; whether it makes sense, `flow.validate` says.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="flow_drafts")
    symptom = models.SlugField(max_length=40)
    document = FreeJSONField()
    # Of the content, as FlowVersion has it: what an approval and a comparison are about.
    digest = models.CharField(max_length=64)
    # Null: brought in from a file for a symptom that has no flow yet.
    based_on = models.ForeignKey(FlowVersion, on_delete=models.PROTECT, related_name="+", null=True)
    # Counts every save; a form that was opened at another number is not written over it.
    revision = models.PositiveIntegerField(default=1)
    started_at = models.DateTimeField()
    edited_at = models.DateTimeField()
    edited_by_id = models.BigIntegerField(null=True)
    edited_by_name = FreeCharField(max_length=80, blank=True)
    # Who saved revisions that are no longer kept: like the authors of kept ones none may approve.
    safety_editor_ids = ArrayField(models.BigIntegerField(), default=list)
    review_asked_at = models.DateTimeField(null=True)
    review_asked_by_name = FreeCharField(max_length=80, blank=True)
    # Counts only while it equals `digest`.
    approved_digest = models.CharField(max_length=64, blank=True)
    approved_at = models.DateTimeField(null=True)
    approved_by_id = models.BigIntegerField(null=True)
    approved_by_name = FreeCharField(max_length=80, blank=True)
    # Expected minutes and first steps beside the published version, of these two contents.
    comparison = models.JSONField(default=dict)
    compared_digest = models.CharField(max_length=130, blank=True)
    comparison_asked_at = models.DateTimeField(null=True)
    comparison_started_at = models.DateTimeField(null=True)

    objects = FlowDraftQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two authors who start at once share one draft.
            models.UniqueConstraint(fields=["provider", "symptom"], name="diagnostics_draft_once"),
        ]

    def __str__(self) -> str:
        return f"{self.symptom} r{self.revision}"

    @property
    def flow(self) -> Flow:
        """The document as typed values; parsed once an instance, since every save makes another."""
        if self._parsed is None or self._parsed[0] != self.digest:
            self._parsed = self.digest, parse(self.document)
        return self._parsed[1]

    _parsed: tuple[str, Flow] | None = None

    @property
    def is_approved(self) -> bool:
        """Whether exactly this content was approved."""
        return bool(self.approved_digest) and self.approved_digest == self.digest


class FlowDraftRevision(models.Model):
    """A draft as it was after one save, to go back to."""

    draft = models.ForeignKey(FlowDraft, on_delete=models.CASCADE, related_name="revisions")
    revision = models.PositiveIntegerField()
    document = FreeJSONField()
    # What the save was: "step:charge_led", "fault:other", "import", "undo:3".
    change = models.CharField(max_length=100)
    edited_at = models.DateTimeField()
    edited_by_id = models.BigIntegerField(null=True)
    edited_by_name = FreeCharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["draft", "revision"], name="diagnostics_draft_revision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.draft_id} r{self.revision}: {self.change}"


def own_code_ref() -> str:
    """A fresh `C-` reference."""
    return new_ref("C", 6)


def unknown_code_ref() -> str:
    """A fresh `Q-` reference."""
    return new_ref("Q", 6)


class OwnCode(models.Model):
    """What a code or a text of the screen means with one provider; nobody else sees it."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="own_codes")
    ref = models.CharField(max_length=12, default=own_code_ref)
    # Of the scheme and the folded code or words: one definition each.
    key = models.CharField(max_length=64)
    scheme = models.CharField(max_length=40, default=OWN)
    # As the screen shows it; empty where only words are shown.
    code = FreeCharField(max_length=24, blank=True)
    # Texts of the screen, one a line.
    words = FreeTextField(max_length=400, blank=True)
    meaning_zh = FreeCharField(max_length=120)
    meaning_en = FreeCharField(max_length=120)
    merchant_zh = FreeCharField(max_length=200)
    merchant_en = FreeCharField(max_length=200)
    # Empty: the same as for merchants.
    desk_zh = FreeCharField(max_length=200, blank=True)
    desk_en = FreeCharField(max_length=200, blank=True)
    # The check that it answers with yes, and the flow that deals with it.
    check_id = models.CharField(max_length=40, blank=True)
    symptom = models.SlugField(max_length=40, blank=True)
    stop_use = models.BooleanField(default=False)
    changed_at = models.DateTimeField()
    changed_by_id = models.BigIntegerField(null=True)
    changed_by_name = FreeCharField(max_length=80, blank=True)

    objects = OwnCodeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="diagnostics_own_code_ref"),
            # Two people who define the same code at once make one definition.
            models.UniqueConstraint(fields=["provider", "key"], name="diagnostics_own_code_once"),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def title(self) -> str:
        """The code, else its first words."""
        return self.code or self.word_list[0]

    @property
    def meaning(self) -> str:
        """In the reader's language."""
        return self.meaning_zh if reader_language() == "zh" else self.meaning_en

    @property
    def word_list(self) -> list[str]:
        """The texts of the screen."""
        return [line.strip() for line in self.words.splitlines() if line.strip()]

    def as_entry(self) -> CodeEntry:
        """The row as the catalogue takes it."""
        return CodeEntry(
            scheme=self.scheme,
            code=self.code or self.ref,
            scheme_name=bundled().schemes.get(self.scheme, OWN_SCHEME),
            meaning=Text(self.meaning_zh, self.meaning_en),
            merchant=Text(self.merchant_zh, self.merchant_en),
            desk=Text(self.desk_zh or self.merchant_zh, self.desk_en or self.merchant_en),
            on_screen=self.code,
            words=tuple(self.word_list),
            checks=(self.check_id,) if self.check_id else (),
            stop_use=self.stop_use,
            symptom=self.symptom,
            is_own=True,
        )


OWN_SCHEME = Text("本服务商自己的码", "Our own codes")


class UnknownCode(models.Model):
    """Something on a screen that people looked up in vain, for the desk to define."""

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("unknown code", "To define")
        DEFINED = "defined", pgettext_lazy("unknown code", "Defined")
        DISMISSED = "dismissed", pgettext_lazy("unknown code", "Dismissed")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="unknown_codes")
    ref = models.CharField(max_length=12, default=unknown_code_ref)
    # Of the folded text: what is misread alike is counted together.
    key = models.CharField(max_length=64)
    # A guess from its form; empty where it could be any.
    scheme = models.CharField(max_length=40, blank=True)
    # What was typed: a code, or words.
    code = FreeCharField(max_length=24, blank=True)
    words = FreeCharField(max_length=120, blank=True)
    # Where it was last seen, if that is known.
    model = models.ForeignKey(TerminalModel, on_delete=models.SET_NULL, related_name="+", null=True)
    times = models.PositiveIntegerField(default=1)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)

    objects = UnknownCodeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="diagnostics_unknown_ref"),
            models.UniqueConstraint(fields=["provider", "key"], name="diagnostics_unknown_once"),
        ]
        indexes = [
            # Read by the desk's queue: the most frequent first.
            models.Index(fields=["provider", "state", "-times"], name="diagnostics_unknown_queue"),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def title(self) -> str:
        """What was typed."""
        return self.code or self.words


def reader_language() -> str:
    """`zh` or `en`: the key of the two-language texts in flow documents."""
    return "zh" if (get_language() or "zh").startswith("zh") else "en"


def log_analysis_ref() -> str:
    """A fresh `L-` reference."""
    return new_ref("L", 8)


class LogAnalysis(models.Model):
    """What a log, a slip or a diagnosis said; the log itself is not kept."""

    class Source(models.TextChoices):
        PASTE = "paste", pgettext_lazy("log", "Pasted")
        UPLOAD = "upload", pgettext_lazy("log", "Uploaded")
        API = "api", pgettext_lazy("log", "By the API")

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="log_analyses")
    ref = models.CharField(max_length=12, default=log_analysis_ref)
    # Null: of no terminal that is known here.
    terminal = models.ForeignKey(
        Terminal, on_delete=models.PROTECT, related_name="log_analyses", null=True
    )
    source = models.CharField(max_length=8, choices=Source.choices)
    # `log_reader.Findings.to_dict()`.
    findings = FreeJSONField()
    made_at = models.DateTimeField()
    made_by_id = models.BigIntegerField(null=True)
    made_by_name = FreeCharField(max_length=80, blank=True)

    objects = LogAnalysisQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ref"], name="diagnostics_log_analysis_ref"),
        ]
        indexes = [
            # Read by the log page of a terminal and of a provider: the newest first.
            models.Index(fields=["terminal", "-made_at"], name="diagnostics_log_of_terminal"),
            models.Index(fields=["provider", "-made_at"], name="diagnostics_log_of_provider"),
        ]

    def __str__(self) -> str:
        return self.ref
