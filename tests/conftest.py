"""For every test: hypothesis judges by what happens, never by how long a busy machine takes for it."""

from hypothesis import HealthCheck, settings

settings.register_profile("fleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fleet")
