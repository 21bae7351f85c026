"""What `farm up` says about build machines: the command to run there, the trust and the ports it needs."""

import json
from pathlib import Path

from farm.home import State, state_file
from farm.membership import invitation_file


def words(home: Path, state: State) -> str:
    """Return the lines; there is no password in them, only where it is."""
    registry = f"{state.host}:{state.registry_port}"
    snippet = json.dumps({"insecure-registries": [registry]})
    return f"""\
farm: open to build machines at {state.host}. On each of them, with Docker Engine, git and the farm installed:
  1. /etc/docker/daemon.json gets {snippet}, then `systemctl reload docker`; the same here, if this machine builds
  2. join it, from here:  ssh MACHINE farm join - < {invitation_file(home)}
  3. run it there:        farm worker      (or its systemd unit, deploy/systemd/farm-worker.service)
  Let only build machines reach {state.host} on ports {state.redis_port} (Redis) and {state.registry_port} (registry),
  git servers on {state.api_port} (dispatcher), people on {state.web_port} (Flower).
  Whoever reaches the registry can replace images, code in containers too, and nothing is encrypted: docs/security.md
  has the lines for the firewall, and a tunnel that needs nothing of this.
  Flower asks for user `farm` and the password `web_password` in {state_file(home)}
  Workers clone from the URL that a repository was registered with: `farm doctor` there says which it cannot."""
