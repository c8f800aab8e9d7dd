"""Which parts of a flow protect people and card data: a change of them needs a second person."""

from typing import Any

from diagnostics.flow import Check, Flow, Step


def safety_parts(flow: Flow) -> dict[str, Any]:
    """Everything that decides when and how use is stopped, as plain data by name.

    The safety screen; steps with an answer that stops use, whole, since their question gives the
    answer its meaning; causes that stop use and locked ones, with what every step says about
    them, be it in the row of all others; where there are such causes, when the other ones are
    likelier, since that makes these less likely; the threshold and the words.
    """
    document = flow.to_dict()
    raw = {step["id"]: step for step in document["steps"]}
    held = {fault.id for fault in flow.faults if fault.stop_use or fault.locked}
    parts: dict[str, Any] = {
        "flow": [flow.stop_threshold, document["stop_text"]],
        **{f"fault:{fault['id']}": fault for fault in document["faults"] if fault["id"] in held},
    }
    if held:
        others = [fault for fault in document["faults"] if fault["id"] not in held]
        parts |= {f"fault:{f['id']}": {"when": f["when"]} for f in others if "when" in f}
    for place, step in enumerate(flow.steps):
        if _stops(step):
            whole = dict(raw[step.id])
            parts[f"step:{step.id}"] = whole | ({"place": place} if _is_screen(step) else {})
        elif rows := _about(step, held):
            parts[f"step:{step.id}"] = rows
    return parts


def changed_safety(before: Flow | None, after: Flow) -> list[str]:
    """Names of the safety parts that differ: `flow`, `step:<id>`, `fault:<id>`.

    Without a flow before, everything is new.
    """
    old = safety_parts(before) if before else {}
    new = safety_parts(after)
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _is_screen(step: Step) -> bool:
    return isinstance(step, Check) and step.safety


def _stops(step: Step) -> bool:
    return _is_screen(step) or any(answer.stop for answer in step.answers)


def _about(step: Step, held: set[str]) -> dict[str, Any]:
    """What the step says about the held causes; nothing where it says nothing."""
    named: dict[str, Any] = dict(step.given) if isinstance(step, Check) else dict(step.cures)
    own = {fault: named[fault] for fault in sorted(held) if fault in named}
    reach = {"requires": step.requires, "unless": step.unless} if own else {}
    if isinstance(step, Check) and named and held:
        # The row of all others speaks about a held cause as loudly as one of its own.
        rows = {fault: step.row(fault) for fault in sorted(held)}
        return {"answers": [option.id for option in step.telling], "rows": rows, **reach}
    return {"rows": own, **reach} if own else {}
