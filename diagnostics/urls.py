"""Addresses of the sticker and of guided checks."""

from django.urls import path

from diagnostics.views import codes, logs, walk

app_name = "diagnostics"
urlpatterns = [
    path("find", walk.find, name="find"),
    # The printed address is upper case (shorter QR code); both show the same machine.
    path("T/<code>", walk.start, name="sticker"),
    path("t/<code>", walk.start, name="start"),
    path("t/<code>/", walk.start, name="start_slash"),
    path("t/<code>/more", walk.more, name="more"),
    path("t/<code>/check/<slug:symptom>", walk.begin, name="begin"),
    path("t/<code>/check/<slug:symptom>/<int:number>", walk.step, name="step"),
    path("t/<code>/fixed", walk.fixed, name="fixed"),
    path("t/<code>/stopped", walk.stopped, name="stopped"),
    path("t/<code>/unsolved", walk.unsolved, name="unsolved"),
    path("desk/logs/", logs.index, name="logs"),
    path("desk/logs/<ref>/", logs.page, name="log"),
    path("desk/logs/<ref>/check", logs.check, name="check_log"),
    path("t/<code>/code", codes.of_machine, name="code"),
    path("codes/", codes.look_up, name="codes"),
    path("desk/codes/", codes.desk, name="desk_codes"),
    path("desk/codes/new", codes.define, name="define_code"),
    path("desk/codes/<ref>/", codes.change, name="own_code"),
    path("desk/codes/<ref>/drop", codes.drop, name="drop_code"),
    path("desk/codes/waiting/<ref>/dismiss", codes.dismiss, name="dismiss_code"),
]
