"""Shared by all tests: figures that a test measured (`record_property`) are printed at the end."""

from hypothesis import HealthCheck, settings

# How long one example takes is the machine's affair.
settings.register_profile("ricity", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ricity")


def pytest_terminal_summary(terminalreporter):
    reports = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    rows = [(report.nodeid, name, value) for report in reports for name, value in report.user_properties]
    if rows:
        terminalreporter.section("measured")
    for node, name, value in rows:
        shown = f"{value:.3g}" if isinstance(value, float) else value
        terminalreporter.line(f"{name} = {shown}  ({node})")
