"""Settings for every test. Hypothesis judges results, never how long a busy machine takes."""

from hypothesis import HealthCheck, settings

settings.register_profile("fleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fleet")
