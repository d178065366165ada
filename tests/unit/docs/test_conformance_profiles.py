"""A profile that the server lists is shown by tests, and one that is shown is listed."""

from __future__ import annotations

import pytest

from server.opcua.profiles import BY_SETTING, SERVER_PROFILES, server_profiles
from server.settings import OpcUaSettings
from tests.kit.conformance import FILE, Claim, Profile, read, read_profiles, shown_profiles

HERE = ("tests/unit/docs/test_conformance_profiles.py", "test_what_is_shown_is_listed_and_nothing_else")
DONE = Claim("done", "x", "done", "", "", ("::".join(HERE),))


def test_what_is_shown_is_listed_and_nothing_else() -> None:
    # OPC 10000-5, 6.3.2: ServerProfileArray is what clients and buyers rely on.
    problems: list[str] = []
    shown = shown_profiles(read_profiles(FILE, problems), read(FILE, problems), problems)
    assert problems == []
    assert [profile.uri for profile in shown if not profile.setting] == list(SERVER_PROFILES)
    assert [(profile.setting.removeprefix("opcua."), profile.uri) for profile in shown if profile.setting] == list(
        BY_SETTING
    )


def test_what_depends_on_a_setting_is_listed_only_with_it() -> None:
    bare = OpcUaSettings(allow_none=False, allow_anonymous=False, auditing=False)
    assert server_profiles(bare) == SERVER_PROFILES
    audited = server_profiles(OpcUaSettings(allow_none=True, allow_anonymous=True, auditing=True))
    assert set(audited) - set(SERVER_PROFILES) == {
        uri for name, uri in BY_SETTING if name in ("allow_none", "allow_anonymous", "auditing")
    }


@pytest.mark.parametrize("state", ["partial", "open", "exempt"])
def test_one_unit_that_is_not_done_hides_the_profile_and_those_that_include_it(state: str) -> None:
    small = Profile("urn:small", "small", units=("half",))
    large = Profile("urn:large", "large", units=("done",), includes=("urn:small",))
    other = Profile("urn:other", "other", units=("done",))
    half = Claim("half", "x", state, "", "why", DONE.tests)
    problems: list[str] = []
    assert shown_profiles([small, large, other], [DONE, half], problems) == [other]
    assert problems == []


def test_a_unit_whose_test_did_not_pass_hides_the_profile() -> None:
    profile = Profile("urn:one", "one", units=("done",))
    assert shown_profiles([profile], [DONE], [], {HERE}) == [profile]
    assert shown_profiles([profile], [DONE], [], set()) == []


def test_what_cannot_be_is_named() -> None:
    problems: list[str] = []
    profiles = [
        Profile("urn:none", "x"),
        Profile("urn:unit", "x", units=("nothing",)),
        Profile("urn:gone", "x", units=("done",), includes=("urn:nowhere",)),
        Profile("urn:loop", "x", units=("done",), includes=("urn:loop",)),
        Profile("urn:twice", "x", units=("done",)),
        Profile("urn:twice", "x", units=("done",)),
    ]
    shown = shown_profiles(profiles, [DONE], problems)
    assert {profile.uri for profile in shown} == {"urn:twice"}
    for uri in ("urn:none", "urn:unit", "urn:gone", "urn:loop", "urn:twice"):
        assert any(problem.startswith(uri) for problem in problems), uri
