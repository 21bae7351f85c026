"""Flower's own settings for this farm, and the tabs. Flower reads it as `--conf`, before it builds its application.

Names that are options of Flower become its settings, so everything else here begins with an underscore.
"""

import logging as _logging

from farm.home import default_home as _default_home, read_state as _read_state

_state = _read_state(_default_home())
if _state:
    address = _state.host
    port = _state.web_port
    cookie_secret = _state.cookie_secret
    if _state.listen:
        # Whoever is let in can end workers and send any task.
        basic_auth = [f"farm:{_state.web_password}"]

# Readable: the farm's tasks carry `#218 thyme main 3f9c2e1` as the words of their arguments.
tasks_columns = "name,args,state,received,runtime,worker"
# Every process that sends tasks shows up as a worker of its own; forget them after ten minutes.
purge_offline_workers = 600

try:
    from farm.flower import tabs as _tabs

    _tabs.install()
except Exception:  # Flower without tabs is better than none
    _logging.getLogger("flower").exception("The farm's tabs could not be added; Flower runs without them")
