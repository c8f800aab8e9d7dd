"""Addresses of reports, status links and the desk."""

from django.urls import path, register_converter

from tickets.converters import RefConverter
from tickets.views import files, inbox, mine, new, promises, report, search, ticket, track

register_converter(RefConverter, "ticket_ref")

app_name = "tickets"
urlpatterns = [
    # The merchant: filing a report, then its status link.
    path("t/<code>/report", report.form, name="report"),
    path("t/<code>/report/check", report.check, name="report_check"),
    path("t/<code>/report/photo/<key>", report.photo, name="report_photo"),
    path("t/<code>/report/photo/<key>/drop", report.drop_photo, name="report_drop_photo"),
    path("r/<token>", track.page, name="track"),
    path("r/<token>/unlock", track.unlock, name="track_unlock"),
    path("r/<token>/words", track.add_words, name="track_words"),
    path("r/<token>/confirm", track.confirm, name="track_confirm"),
    path("r/<token>/still-broken", track.still_broken, name="track_still_broken"),
    path("r/<token>/cancel", track.cancel, name="track_cancel"),
    path("r/<token>/file/<key>", files.of_track, name="track_file"),
    path("my/", mine.page, name="mine"),
    # The desk.
    path("desk/", inbox.page, name="inbox"),
    path("desk/q/<slug:view>/", inbox.page, name="queue"),
    path("desk/search", search.page, name="search"),
    path("desk/new", new.find, name="new"),
    path("desk/new/<terminal_ref>/", new.start, name="new_start"),
    path("desk/new/run/<run_ref>/", new.step, name="new_step"),
    path("desk/new/run/<run_ref>/report", new.report, name="new_report"),
    path("desk/t/<ticket_ref:ref>/", ticket.page, name="ticket"),
    path("desk/t/<ticket_ref:ref>/reply", ticket.reply, name="reply"),
    path("desk/t/<ticket_ref:ref>/note", ticket.note, name="note"),
    path("desk/t/<ticket_ref:ref>/take", ticket.take, name="take"),
    path("desk/t/<ticket_ref:ref>/assign", ticket.assign, name="assign"),
    path("desk/t/<ticket_ref:ref>/wait", ticket.wait, name="wait"),
    path("desk/t/<ticket_ref:ref>/resume", ticket.resume, name="resume"),
    path("desk/t/<ticket_ref:ref>/dispatch", ticket.dispatch, name="dispatch"),
    path("desk/t/<ticket_ref:ref>/arrive", ticket.arrive, name="arrive"),
    path("desk/t/<ticket_ref:ref>/leave", ticket.leave, name="leave"),
    path("desk/t/<ticket_ref:ref>/fix", ticket.fix, name="fix"),
    path("desk/t/<ticket_ref:ref>/resolve", ticket.resolve, name="resolve"),
    path("desk/t/<ticket_ref:ref>/reopen", ticket.reopen, name="reopen"),
    path("desk/t/<ticket_ref:ref>/cancel", ticket.cancel, name="cancel"),
    path("desk/t/<ticket_ref:ref>/merge", ticket.merge, name="merge"),
    path("desk/t/<ticket_ref:ref>/priority", ticket.priority, name="priority"),
    path("desk/t/<ticket_ref:ref>/reveal", ticket.reveal, name="reveal"),
    path("desk/t/<ticket_ref:ref>/print", ticket.print_slip, name="print"),
    path("desk/t/<ticket_ref:ref>/file/<key>", files.of_desk, name="file"),
    path("settings/sla/", promises.policy, name="policy"),
    path("settings/hours/", promises.calendars, name="calendars"),
    path("settings/hours/new", promises.new_calendar, name="new_calendar"),
    path("settings/hours/<ref>/", promises.calendar, name="calendar"),
    path("settings/hours/<ref>/days", promises.add_days, name="add_days"),
    path("settings/hours/<ref>/days/<day>/drop", promises.drop_day, name="drop_day"),
    # Panels that other pages fetch: the only coupling is the name of the address.
    path("desk/panels/terminal/<terminal_ref>/tickets", inbox.of_terminal, name="of_terminal"),
    path("desk/panels/merchant/<merchant_ref>/tickets", inbox.of_merchant, name="of_merchant"),
]
