"""Where the farm's own files of config/ are. It reads none of them."""

from pathlib import Path


def config_file(name: str) -> Path:
    """Return a file of config/, which stands beside the packages in a checkout and inside `farm` in a wheel."""
    package = Path(__file__).parent.parent
    installed = package / "config"
    return (installed if installed.is_dir() else package.parent / "config") / name
