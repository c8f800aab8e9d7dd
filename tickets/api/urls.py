"""Addresses of the API: tickets, reports, a terminal's history."""

from django.urls import path

from tickets.api import deeds, fixes, promises, reads, reports

VERBS = {
    "reply": deeds.Reply,
    "note": deeds.Note,
    "words": deeds.Words,
    "take": deeds.Take,
    "assign": deeds.Assign,
    "wait": deeds.Wait,
    "resume": deeds.Resume,
    "dispatch": deeds.Dispatch,
    "on_site": deeds.OnSite,
    "leave": deeds.Leave,
    "resolve": deeds.Resolve,
    "reopen": deeds.Reopen,
    "close": deeds.Close,
    "cancel": deeds.Cancel,
    "merge": deeds.Merge,
    "priority": deeds.ChangePriority,
    "reveal": deeds.Reveal,
}
urlpatterns = [
    path("sla/preview/", promises.Preview.as_view(), name="sla_preview"),
    path("sla/policy/", promises.ThePolicy.as_view(), name="policy"),
    path("sla/calendars/", promises.Calendars.as_view(), name="calendars"),
    path("sla/calendars/<str:ref>/", promises.OneCalendar.as_view(), name="calendar"),
    path("sla/calendars/<str:ref>/days/", promises.Days.as_view(), name="calendar_days"),
    path("sla/calendars/<str:ref>/days/<str:day>/", promises.OneDay.as_view(), name="calendar_day"),
    path("diagnoses/<str:ref>/report/", reports.Report.as_view(), name="diagnosis_report"),
    path("terminals/<str:ref>/history/", reads.History.as_view(), name="terminal_history"),
    path("tickets/", reads.Tickets.as_view(), name="tickets"),
    path("tickets/<str:ref>/", reads.OneTicket.as_view(), name="ticket"),
    path("tickets/<str:ref>/timeline/", reads.Timeline.as_view(), name="ticket_timeline"),
    path("tickets/<str:ref>/fixes/", fixes.Fixes.as_view(), name="ticket_fixes"),
    path("tickets/<str:ref>/clocks/", promises.Clocks.as_view(), name="ticket_clocks"),
    path("tickets/<str:ref>/attachments/", reads.Attachments.as_view(), name="ticket_attachments"),
    path(
        "tickets/<str:ref>/attachments/<str:key>/",
        reads.OneAttachment.as_view(),
        name="ticket_attachment",
    ),
    *(
        path(f"tickets/<str:ref>/{verb}/", view.as_view(), name=f"ticket_{verb}")
        for verb, view in VERBS.items()
    ),
]
