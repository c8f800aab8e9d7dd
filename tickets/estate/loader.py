"""The demo estate from nothing: people, places, terminals, a year of history, a few photos."""

from collections.abc import Callable
from contextlib import nullcontext

from tickets.estate import notices, photos
from tickets.estate.bulk import without_keys
from tickets.estate.history import History
from tickets.estate.people import Estate, People, Plan
from tickets.estate.promises import make_policies
from tickets.estate.walks import Walks

# From here on building keys and indexes once is cheaper than keeping them up row by row.
BULK_FROM = 10_000


def load(plan: Plan, report: Callable[[str], None], *, bulk_from: int = BULK_FROM) -> Estate:
    """Writes the estate of `plan`; `report` gets a line now and then.

    The same plan in an equally empty database writes the same rows. A small load is a row of
    transactions, each of whole stories; the history of a large one (`bulk_from` tickets into an
    empty database) is one transaction.
    """
    estate = People(plan).load()
    report(f"{len(estate.crews)} providers, {len(estate.machines):,} terminals in use")
    policies = make_policies(plan, estate.crews)
    history = History(plan, estate, policies, Walks(plan.seed), report)
    is_bulk = plan.tickets >= bulk_from and not plan.generation
    with without_keys(history.tables) if is_bulk else nullcontext():
        history.load()
        if is_bulk:
            report("building keys and indexes")
    pictures = photos.attach(plan, history.photographed)
    told = notices.post(history.unfinished, plan.until)
    report(f"{pictures} photos, {told} notices")
    return estate
