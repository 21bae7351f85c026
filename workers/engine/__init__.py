"""The seam between the stages and whatever runs containers: one Protocol and its values. Nothing here knows Docker."""

from workers.engine.protocol import Engine
from workers.engine.values import (
    BuildSpec,
    Built,
    Check,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    Entry,
    Exit,
    File,
    Image,
    Kind,
    Limits,
    NoProgram,
    Object,
    Output,
    Owner,
)

__all__ = [
    "BuildSpec",
    "Built",
    "Check",
    "ContainerSpec",
    "ContainerState",
    "Engine",
    "EngineInfo",
    "Entry",
    "Exit",
    "File",
    "Image",
    "Kind",
    "Limits",
    "NoProgram",
    "Object",
    "Output",
    "Owner",
]
