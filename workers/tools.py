"""What one worker process works with: settings, record, logs, engine, registry; connected once and kept warm.

It is made after a fork, never before: connections that two processes share would mix their answers.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import redis

from farm.definition import Definition
from farm.logs import Logs
from farm.pipeline import job_name
from farm.record import Claim, Record
from farm.registry import Registry
from farm.secrets import Secrets
from farm.settings import Settings
from workers.artifacts import to_dispatcher
from workers.docker import DockerEngine
from workers.engine import Engine, Limits, Owner
from workers.lease import Lease
from workers.masked import MaskedLog
from workers.workspace import Workspace, expiry


def registry(settings: Settings) -> Registry:
    """Return the farm's registry, not asked for anything yet."""
    return Registry(
        settings.registry,
        plain=settings.registry_plain,
        timeout=settings.lease / 2,
        user_timeout=settings.lease / 2,
        login=settings.registry_login,
    )


@dataclass(frozen=True, slots=True)
class Tools:
    """The parts, ready to use. It holds no state of a step."""

    settings: Settings
    record: Record
    logs: Logs
    engine: Engine
    registry: Registry

    @classmethod
    def connect(cls, settings: Settings, engine: Engine | None = None) -> Self:
        """Make the parts from the settings; nothing is asked of any of them yet."""
        client = redis.Redis.from_url(
            settings.redis_url,
            decode_responses=True,
            socket_connect_timeout=min(5.0, settings.lease / 2),
            socket_timeout=settings.lease / 2,  # a renewal that hangs must leave time for another one
            socket_keepalive=True,
            health_check_interval=30,
        )
        return cls(
            settings=settings,
            record=Record(client, settings.lease),
            logs=Logs(client, head=settings.log_head, tail=settings.log_tail, budget=settings.log_budget),
            engine=engine or DockerEngine(registries=settings.registries),
            registry=registry(settings),
        )

    def workspace(self, claim: Claim, lease: Lease, log: MaskedLog, teardown: ExitStack) -> Workspace:
        """Lay out what a stage needs for this claim; from then on the log hides its secrets.

        ValueError: the definition is of another version. Failed: the step names a secret that it is not given.
        """
        definition = Definition.model_validate_json(claim.definition)
        job = definition.jobs.get(job_name(claim.step))
        settings = self.settings
        hook = definition.release.after.get(claim.step.removeprefix("release/"))
        named = {"build": definition.build, "release": hook}.get(claim.stage, job)
        secrets = self._secrets(claim, named.secrets if named else ())
        log.hide(secrets.values())
        return Workspace(
            claim=replace(claim, image=self._image(claim)),
            definition=definition,
            engine=self.engine,
            registry=self.registry,
            log=log,
            check=lease.check,
            guard=lease.guard,
            owner=Owner(settings.farm_id, claim.number, claim.step, claim.fence, expiry(definition)),
            home=settings.home,
            wanted=lambda: self.record.holds(claim.number, claim.step, claim.fence),
            limits=Limits(memory=settings.memory, cpus=settings.cpus, pids=settings.pids),
            teardown=teardown,
            remember=partial(self.record.remember, claim),
            keep=to_dispatcher(settings, self.record, claim),
            owner_of=partial(self.record.owner_of, claim),
            secrets=secrets,
            hide=log.mask.text,
            opened_by=settings.repository(claim.repository).git,
        )

    def _secrets(self, claim: Claim, names: Sequence[str]) -> Mapping[str, str]:
        """Return the values that the step is given, opened by the keys that this machine has at this moment."""
        if not names:
            return {}
        secrets = Secrets(self.record.redis, self.settings.keys_now())
        return secrets.given(claim.repository, names, claim.ref, protected=claim.protected)

    def _image(self, claim: Claim) -> str | None:
        """Return the built image by the registry's present address; a farm that was opened to others has a new one."""
        _, at, digest = (claim.image or "").partition("@")
        return f"{self.settings.registry}/{claim.image_repository}@{digest}" if at else claim.image
