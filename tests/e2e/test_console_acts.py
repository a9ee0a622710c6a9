"""An operator at work on the console: everything that can be changed, in a real browser on a real system."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from services.common.tokens import Role, create_token
from tests.e2e.console_page import Watched, contrast
from tests.e2e.console_system import MANAGED, MODEL, NEW, OLD, WITHIN_S, System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PARTS = 3
"""RIC, nodes and manager: without slicing."""

NAME = f"routing-{MANAGED}"
NEXT = "3.0.0"
DESCRIPTOR = f"""
xapp_name: {NAME}
version: {{version}}
module: xapps.routing.main
env: {{{{RICITY_SERVICE: {MANAGED}, RICITY_POLICY: cspf}}}}
subscriptions: {{{{inserts: [{MANAGED}]}}}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[System]:
    """Two services, without slicing; one of them managed, with an A/B test under way."""
    with System(tmp_path_factory.mktemp("acts") / "system", ("ar", MANAGED), slicing=False) as running:
        yield running


@pytest.fixture
def watched(browser: Browser, system: System) -> Iterator[Watched]:
    """A page that must stay without faults."""
    opened = Watched(browser, system.page).ready(parts=PARTS)
    yield opened
    opened.page.context.close()
    assert opened.faults == []


@pytest.fixture
def quiet(system: System) -> None:
    """No A/B test is under way."""
    for test in system.ask_manager("GET", "/v1/ab")["tests"]:
        if test["state"] == "running":
            system.ask_manager("POST", f"/v1/ab/{test['id']}/stop")


def card(page: Page, name: str = NAME):
    return page.locator("#view-xapps .card", has=page.locator(f"h2:has-text('{name}')"))


def onboard(watched: Watched, version: str) -> None:
    watched.show("xapps")
    watched.press("xapps", "Onboard a version…")
    watched.page.get_by_label("From").select_option("paste")
    watched.page.locator("#field-onboard-text").fill(DESCRIPTOR.format(version=version))
    watched.confirm("Onboard", f"{version} of {NAME}: onboarded")


def test_a_test_is_stopped_and_another_one_started_and_its_figure_is_shown(watched: Watched, system: System):
    page = watched.page
    watched.show("rollouts")
    view = page.locator("#view-rollouts")
    watched.press("rollouts", f"Stop… the test of {NAME}")
    watched.confirm("Stop the test", "Test ab-")
    expect(view.get_by_role("button", name="the test of")).to_have_count(0)
    watched.press("rollouts", "Start an A/B test…")
    expect(page.get_by_label("Baseline")).to_have_value(NEW)
    page.get_by_label("Candidate", exact=False).first.select_option(OLD)
    page.get_by_label("Candidate's share").fill("20")
    watched.confirm("Start", f"{OLD} takes 20 % of {NAME}")
    shown = view.locator(".card", has_text="20 % to the candidate")
    shown.get_by_text("Figure of the report").click()
    figure = shown.get_by_role("img", name=f"{OLD} against {NEW}")
    figure.scroll_into_view_if_needed()
    page.wait_for_function("image => image.complete && image.naturalWidth === 960", arg=figure.element_handle())
    (running,) = [test for test in system.ask_manager("GET", "/v1/ab")["tests"] if test["state"] == "running"]
    assert running["candidate_percent"] == 20


def test_a_version_is_onboarded_rolled_out_and_rolled_back(watched: Watched, system: System, quiet):
    page = watched.page
    onboard(watched, NEXT)
    watched.press("xapps", f"Upgrade… {NAME}")
    page.get_by_label("To version").select_option(NEXT)
    page.get_by_label("Shares of the new version").fill("50, 100")
    page.get_by_text("Limits").click()
    page.get_by_label("Ready within").fill(str(int(WITHIN_S)))
    watched.confirm("Upgrade", f"{NAME} {NEW} → {NEXT}: succeeded")
    expect(card(page)).to_contain_text(f"wanted {NEXT}")
    watched.show("rollouts")
    row = page.locator("#view-rollouts tbody tr", has_text=f"{NEW} → {NEXT}")
    expect(row).to_contain_text("succeeded")
    watched.show("xapps")
    watched.press("xapps", f"Roll back… {NAME}")
    watched.confirm("Roll back", f"{NAME} {NEXT} → {NEW}: succeeded")
    rollouts = system.ask_manager("GET", "/v1/rollouts")["rollouts"]
    assert [(each["lost"], each["doubled"]) for each in rollouts] == [(0, 0)] * len(rollouts)


def test_a_rollout_under_way_is_ended(watched: Watched, system: System, quiet):
    page = watched.page
    onboard(watched, "4.0.0")
    watched.press("xapps", f"Upgrade… {NAME}")
    page.get_by_label("To version").select_option("4.0.0")
    page.get_by_label("Shares of the new version").fill("1, 100")
    page.get_by_label("Each share for").fill("600")
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name="Upgrade").click()
    expect(dialog.get_by_role("status")).to_contain_text("shift")
    dialog.get_by_role("button", name="Close, it goes on").click()
    expect(page.locator("#view-xapps").get_by_role("button", name=f"Upgrade… {NAME}")).to_have_attribute("aria-disabled", "true")
    watched.show("rollouts")
    watched.press("rollouts", f"Roll back… {NAME}")
    expect(dialog).to_contain_text("Ends the rollout to 4.0.0")
    watched.confirm("Roll back", "→ 4.0.0: aborted")


def test_the_configuration_is_changed(watched: Watched, system: System, quiet):
    page = watched.page
    watched.show("xapps")
    watched.press("xapps", f"Configure… {NAME}")
    settings = page.get_by_label("Settings, whole")
    settings.fill("no setting")
    assert not settings.evaluate("each => each.checkValidity()")
    settings.fill("RICITY_REPLANS=2")
    watched.confirm("Apply", f"Every instance of {NAME} runs generation")
    found = {each["name"]: each for each in system.ask_manager("GET", "/v1/xapps")["xapps"]}[NAME]
    assert found["desired"]["config"] == {"RICITY_REPLANS": "2"}


def test_an_xapp_is_onboarded_from_fields_deployed_stopped_and_forgotten(watched: Watched, system: System):
    page = watched.page
    watched.show("xapps")
    watched.press("xapps", "Onboard a version…")
    page.locator("#field-onboard-version").fill("0.5.0")
    page.locator("#field-onboard-services").fill("iot")
    page.locator("#field-onboard-env").fill("RICITY_POLICY=shortest")
    watched.confirm("Onboard", "0.5.0 of routing-iot: onboarded")
    watched.press("xapps", "Deploy… routing-iot")
    watched.confirm("Deploy", "1 instance is ready")
    expect(card(page, "routing-iot")).to_contain_text("wanted 0.5.0 × 1")
    watched.press("xapps", "Stop… routing-iot")
    watched.confirm("Stop", "routing-iot: stopped")
    watched.press("xapps", "Configure… routing-iot")
    page.get_by_label("Settings, whole").fill("RICITY_REPLANS=3")
    watched.confirm("Apply", "none runs, the next instance starts with it")
    watched.press("xapps", "Forget… routing-iot")
    watched.confirm("Forget", "routing-iot: forgotten")
    expect(card(page, "routing-iot")).to_have_count(0)
    assert "routing-iot" not in [each["name"] for each in system.ask_manager("GET", "/v1/xapps")["xapps"]]


def test_what_the_manager_refuses_is_said_in_the_dialog_and_can_be_mended(watched: Watched):
    page = watched.page
    watched.show("xapps")
    watched.press("xapps", "Onboard a version…")
    page.locator("#field-onboard-version").fill("newest")
    page.locator("#field-onboard-services").fill("gaming")
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name="Onboard").click()
    expect(dialog.get_by_role("alert")).to_contain_text("malformed file, 400")
    expect(dialog.get_by_role("alert")).to_contain_text("version: 'newest' does not match")
    page.locator("#field-onboard-version").fill("0.6.0")
    watched.confirm("Onboard", "0.6.0 of routing-gaming: onboarded")
    assert "400" in watched.faults.pop()


def test_a_model_is_promoted_and_brought_back(watched: Watched):
    page = watched.page
    watched.show("models")
    rows = page.locator("#view-models tbody tr")
    expect(rows.first).to_contain_text("gos validation 0.9800")
    for version in (1, 2):
        watched.press("models", f"Promote… {MODEL} version {version}")
        watched.confirm("Promote", f"{MODEL} v{version} is in production")
    expect(rows.filter(has_text="production")).to_contain_text("v2")
    watched.press("models", f"Roll back… {MODEL}")
    watched.confirm("Roll back", f"{MODEL} v1 is in production again")
    expect(rows.filter(has_text="retired")).to_contain_text("v2")


def test_a_dialog_is_worked_with_the_keyboard_and_loses_nothing_by_itself(watched: Watched, system: System):
    page = watched.page
    watched.show("xapps")
    stop = page.locator("#view-xapps").get_by_role("button", name=f"Stop… {NAME}", exact=True)
    stop.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=f"Stop {NAME}?")
    expect(dialog).to_have_accessible_description(re.compile("answer what they hold"))
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))")
    page.keyboard.press("Escape")
    expect(stop).to_be_focused()
    assert {each["name"]: each for each in system.ask_manager("GET", "/v1/xapps")["xapps"]}[NAME]["desired"]["replicas"] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs_are_readable_and_fit_a_narrow_window(browser: Browser, system: System, pictures: Path, scheme: str):
    watched = Watched(browser, system.page, color_scheme=scheme).ready(parts=PARTS)
    page = watched.page
    watched.show("xapps")
    for name, button in {"onboard": "Onboard a version…", "stop": f"Stop… {NAME}", "upgrade": f"Upgrade… {NAME}"}.items():
        watched.press("xapps", button)
        for found in page.locator("dialog :is(h2, p, label, small, button, input)").all():
            assert contrast(found) >= 4.5, (name, found.inner_text())
        page.screenshot(path=pictures / f"dialog-{name}-{scheme}.png")
        page.set_viewport_size({"width": 400, "height": 800})
        box = page.locator("dialog").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 400
        assert box["height"] <= 800
        page.screenshot(path=pictures / f"dialog-{name}-{scheme}-narrow.png")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.keyboard.press("Escape")
    page.context.close()
    assert watched.faults == []


def test_a_viewer_sees_why_nothing_can_be_changed(browser: Browser, system: System, tmp_path: Path):
    tokens = tmp_path / "tokens.json"
    viewer = create_token(tokens, "night-shift", Role.VIEWER)
    manager = f"http://127.0.0.1:{system.facts('manager')['http_port']}"
    system.start("guarded", "services.console.main", run_folder=system.folder, http_port=0, manager=manager, tokens_file=tokens)
    credentials = {"username": "any", "password": viewer}
    watched = Watched(browser, system.page_of("guarded"), http_credentials=credentials).ready(parts=PARTS)
    page = watched.page
    for view in ("xapps", "rollouts", "models", "policies"):
        watched.show(view)
        expect(page.locator(f"#view-{view} .look-only")).to_contain_text("night-shift, a viewer's")
        for button in page.locator(f"#view-{view} .acts button").all():
            expect(button).to_have_attribute("aria-disabled", "true")
            expect(button).to_have_attribute("title", re.compile("viewer"))
    watched.show("xapps")
    page.locator("#view-xapps .acts button").first.click(force=True)
    expect(page.locator("dialog")).to_have_count(0)
    answered = page.evaluate("fetch('api/v1/xapps/any/rollback', {method: 'POST'}).then(answer => answer.status)")
    assert answered == 403
    assert "403" in watched.faults.pop()
    page.context.close()
    assert watched.faults == []
