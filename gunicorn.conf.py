"""Read by gunicorn from the folder that it starts in; everything else is on its command line."""

from posdoctor.web_server import (  # noqa: F401 - gunicorn takes settings and hooks by name
    child_exit,
    logconfig_dict,
    on_exit,
    on_starting,
    post_worker_init,
)
