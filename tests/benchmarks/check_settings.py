"""The product's settings, and an empty view beside its own to hold them against."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.check_urls"
