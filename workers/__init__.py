"""The hands of the farm: they know images and containers, and never who pushed or who listens."""
