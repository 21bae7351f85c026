"""The head of the farm: it knows pushes, pipelines and who listens, and never touches a container."""
