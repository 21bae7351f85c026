"""What this process is told: FARM_HOME/farm.yml, this machine's state, and its environment, put together once."""

from farm.settings.email import EmailSettings
from farm.settings.files import config_file
from farm.settings.forges import KINDS, ForgeSettings, ProjectSettings
from farm.settings.git import GitSettings
from farm.settings.mistakes import SettingsError
from farm.settings.registries import RegistrySettings
from farm.settings.repositories import RepositorySettings
from farm.settings.schedules import ScheduleSettings
from farm.settings.secret import Secret
from farm.settings.settings import Settings
from farm.settings.slack import SlackSettings
from farm.settings.trackers import TrackerSettings
from farm.settings.webhooks import WebhookSettings

__all__ = [
    "KINDS",
    "EmailSettings",
    "ForgeSettings",
    "GitSettings",
    "ProjectSettings",
    "RegistrySettings",
    "RepositorySettings",
    "ScheduleSettings",
    "Secret",
    "Settings",
    "SettingsError",
    "SlackSettings",
    "TrackerSettings",
    "WebhookSettings",
    "config_file",
]
