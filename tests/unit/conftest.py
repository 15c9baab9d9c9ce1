"""Hypothesis on machines that are busy with something else: a slow example is no failure, the limit of the whole test is."""

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
