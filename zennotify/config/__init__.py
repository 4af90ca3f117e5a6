"""What does config.yaml say?  Read by cli and app: `load_config` gives a validated Config, or every error."""

from zennotify.config.load import ConfigFile, ConfigRefused, load_config
from zennotify.config.model import (
    AdminConfig,
    ChannelConfig,
    Config,
    FallbackConfig,
    Keep,
    ServerConfig,
    StoreConfig,
    Verify,
    ZenotiApi,
)
from zennotify.config.values import Address, Network

__all__ = [
    "Address",
    "AdminConfig",
    "ChannelConfig",
    "Config",
    "ConfigFile",
    "ConfigRefused",
    "FallbackConfig",
    "Keep",
    "Network",
    "ServerConfig",
    "StoreConfig",
    "Verify",
    "ZenotiApi",
    "load_config",
]
