"""Making flows the current ones."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from diagnostics.flow import Flow
from diagnostics.models import FlowVersion


@transaction.atomic
def publish(flows: Iterable[Flow], *, now: datetime) -> int:
    """Makes these the shipped flows: a new version where the content changed, and no others.

    Returns how many versions are new. A symptom that is not among them is no longer offered;
    its versions stay, since runs refer to them.
    """
    fresh = 0
    symptoms = []
    for flow in flows:
        symptoms.append(flow.id)
        fresh += _publish(flow, now)
    FlowVersion.objects.published().exclude(symptom__in=symptoms).update(is_current=False)
    return fresh


def _publish(flow: Flow, now: datetime) -> bool:
    digest = digest_of(flow)
    versions = FlowVersion.objects.filter(provider=None, symptom=flow.id)
    latest = versions.order_by("-version").defer("document").first()
    if latest and latest.digest == digest and latest.is_current:
        return False
    number = latest.version + 1 if latest else 1
    versions.filter(is_current=True).update(is_current=False)
    FlowVersion.objects.create(
        symptom=flow.id,
        version=number,
        share=flow.share,
        document=dataclasses.replace(flow, version=number).to_dict(),
        digest=digest,
        is_current=True,
        published_at=now,
    )
    return True


def digest_of(flow: Flow) -> str:
    """Names the content of a flow, whatever its version's number."""
    content = dataclasses.replace(flow, version=1).to_dict()
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
