"""The Docker Engine behind workers.engine's Protocol. Nothing else in the farm knows that it is Docker."""

from workers.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
