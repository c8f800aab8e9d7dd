"""Looks for answers that lead to a step: what can be reached, shown by getting there."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from diagnostics.engine import Actor, Answer, Attributes, Outcome, next_step
from diagnostics.flow import Check, Fix, Flow, Step

Policy = Callable[[Step], str]


def plain(step: Step) -> str:
    """The answer that finds nothing and solves nothing."""
    if isinstance(step, Fix):
        return "unsolved"
    return "none" if any(option.id == "none" for option in step.answers) else "no"


def typical(flow: Flow, fault: str) -> Policy:
    """What somebody answers whose terminal has this fault, danger left out."""

    def answer(step: Step) -> str:
        if not isinstance(step, Check) or step.safety:
            return plain(step)
        row = step.row(fault)
        return step.telling[row.index(max(row))].id

    return answer


def but(policy: Policy, step_id: str, answer_id: str) -> Policy:
    """The same, with another answer at one step."""
    return lambda step: answer_id if step.id == step_id else policy(step)


def policies(flow: Flow) -> Iterator[Policy]:
    """Plain, then typical of each fault."""
    yield plain
    yield from (typical(flow, fault.id) for fault in flow.faults)


def policies_towards(flow: Flow, wanted: Step) -> Iterator[Policy]:
    """Typical of the faults that this step is about, with one answer changed."""
    if isinstance(wanted, Fix):
        about = sorted(wanted.cures, key=lambda fault: -wanted.cures[fault])
    else:
        about = [fault for fault, row in wanted.given.items() if row != wanted.default]
    for fault in about:
        for step in flow.steps:
            for option in step.answers:
                if not option.stop and not option.call and option.id != "solved":
                    yield but(typical(flow, fault), step.id, option.id)


def asked(flow: Flow, attributes: Attributes, actor: Actor, policy: Policy) -> list[str]:
    """The ids of the steps of one walk in authored order."""
    answers: list[Answer] = []
    while True:
        found = next_step(flow, attributes, answers, actor=actor, order="authored")
        if isinstance(found, Outcome):
            return [answer.step_id for answer in answers]
        answers.append(Answer(found.step.id, policy(found.step)))


def never_asked(
    flow: Flow, terminals: Sequence[Attributes], actor: Actor, wanted: Iterable[Step]
) -> set[str]:
    """Those of the wanted steps to which no walk led."""
    steps = {step.id: step for step in wanted}
    left = set(steps)
    for policy in policies(flow):
        for attributes in terminals:
            left -= set(asked(flow, attributes, actor, policy))
    return {name for name in left if not _leads(flow, terminals, actor, steps[name])}


def _leads(flow: Flow, terminals: Sequence[Attributes], actor: Actor, wanted: Step) -> bool:
    return any(
        wanted.id in asked(flow, attributes, actor, policy)
        for policy in policies_towards(flow, wanted)
        for attributes in terminals
        if attributes.may_satisfy(wanted.requires)
    )
