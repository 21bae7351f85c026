"""The stages on this machine, in one process: no broker, no Redis, no farm.

The stages, the engine and the definition are the farm's own; what differs is only here: steps run one behind the other,
a failure is not tried again, and the image stays on the engine.
"""
