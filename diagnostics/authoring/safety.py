"""Which parts of a flow protect people and card data: a change of them needs a second person."""

from typing import Any

from diagnostics.flow import Check, Flow, Step


def safety_parts(flow: Flow) -> dict[str, Any]:
    """Everything that decides when and how use is stopped, as plain data by name.

    The safety screen; steps with an answer that stops use, whole, since their question gives the
    answer its meaning; causes that stop use and locked ones, with what every step says about
    them; the threshold and the words.
    """
    document = flow.to_dict()
    raw = {step["id"]: step for step in document["steps"]}
    held = {fault.id for fault in flow.faults if fault.stop_use or fault.locked}
    parts: dict[str, Any] = {
        "flow": [flow.stop_threshold, document["stop_text"]],
        **{f"fault:{fault['id']}": fault for fault in document["faults"] if fault["id"] in held},
    }
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
    rows: dict[str, Any] = dict(step.given) if isinstance(step, Check) else dict(step.cures)
    own = {fault: rows[fault] for fault in sorted(held) if fault in rows}
    return {"rows": own, "requires": step.requires, "unless": step.unless} if own else {}
