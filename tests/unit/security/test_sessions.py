"""Sign-ins end, make room and slow down who guesses."""

from __future__ import annotations

from server.core.clock import ManualClock
from server.security import sessions as limits
from server.security.sessions import Sessions
from server.security.throttle import KEYS_LIMIT, SignInThrottle


def test_a_token_is_good_until_it_expires_or_is_closed(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    session = sessions.open("anna", "operator", "http", "127.0.0.1")
    found = sessions.find(session.token)
    assert found is not None
    assert (found.user, found.role, found.csrf) == ("anna", "operator", session.csrf)
    assert sessions.find(session.token[:-1]) is None
    assert sessions.find("\ud800") is None
    clock.advance(59.9)
    assert sessions.find(session.token) is not None
    clock.advance(0.1)
    assert sessions.find(session.token) is None
    other = sessions.open("anna", "operator", "http", "127.0.0.1")
    sessions.close(other.token)
    sessions.close(other.token)
    assert sessions.find(other.token) is None
    assert len(sessions) == 0


def test_the_command_lines_token_lives_as_long_as_the_server(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    token = sessions.open("fieldloom", "admin", "cli", "127.0.0.1").token
    for number in range(limits.SESSIONS_LIMIT + 10):
        sessions.open(f"user{number}", "operator", "http", "127.0.0.1")
    clock.advance(1_000_000)
    assert sessions.find(token) is not None


def test_tokens_are_secrets_of_their_own_and_not_kept(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    opened = [sessions.open("anna", "operator", "http", "127.0.0.1") for _ in range(50)]
    secrets_seen = {session.token for session in opened} | {session.csrf for session in opened}
    assert len(secrets_seen) == 100
    assert min(map(len, secrets_seen)) >= 32
    assert opened[0].token not in repr(vars(sessions))


def test_one_user_cannot_push_the_others_out(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    other = sessions.open("otto", "viewer", "http", "x")
    mine = [sessions.open("anna", "viewer", "http", "x") for _ in range(limits.SESSIONS_PER_USER + 1)]
    assert sessions.find(other.token) is not None
    assert sessions.find(mine[0].token) is None
    assert sessions.find(mine[1].token) is not None
    assert sessions.find(mine[-1].token) is not None


def test_when_full_the_oldest_makes_room(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    opened = [sessions.open(f"user{number}", "viewer", "http", "x") for number in range(limits.SESSIONS_LIMIT + 1)]
    assert len(sessions) == limits.SESSIONS_LIMIT
    assert sessions.find(opened[0].token) is None
    assert sessions.find(opened[1].token) is not None


def test_all_sign_ins_of_a_user_end_together(clock: ManualClock) -> None:
    sessions = Sessions(clock, 60, 5)
    tokens = [sessions.open(user, "viewer", "http", "x").token for user in ("anna", "otto", "anna")]
    assert sessions.close_user("anna") == 2
    assert [sessions.find(token) is not None for token in tokens] == [False, True, False]


def test_guessing_waits_by_user_and_by_address_and_only_for_a_minute(clock: ManualClock) -> None:
    throttle = SignInThrottle(clock, 3)
    for _ in range(3):
        assert throttle.wait_s("anna", "10.0.0.1") == 0
        throttle.begin("anna", "10.0.0.1")
        clock.advance(10)
    assert throttle.wait_s("anna", "10.0.0.2") == 30
    assert throttle.wait_s("otto", "10.0.0.1") == 30
    assert throttle.wait_s("otto", "10.0.0.2") == 0
    clock.advance(30)
    assert throttle.wait_s("anna", "10.0.0.1") == 0


def test_an_attempt_under_way_counts_so_that_a_burst_gains_nothing(clock: ManualClock) -> None:
    throttle = SignInThrottle(clock, 2)
    throttle.begin("anna", "10.0.0.1")
    throttle.begin("anna", "10.0.0.1")
    assert throttle.wait_s("anna", "10.0.0.1") == 60


def test_a_right_password_forgives_the_address_no_attempt_on_others(clock: ManualClock) -> None:
    throttle = SignInThrottle(clock, 2)
    throttle.begin("admin", "10.0.0.1")
    throttle.begin("anna", "10.0.0.1")
    throttle.succeeded("anna", "10.0.0.1")
    assert throttle.wait_s("anna", "10.0.0.1") == 0
    throttle.begin("admin", "10.0.0.1")
    assert throttle.wait_s("anna", "10.0.0.1") == 60


def test_memory_of_failures_is_bounded(clock: ManualClock) -> None:
    throttle = SignInThrottle(clock, 2)
    for number in range(KEYS_LIMIT):
        throttle.begin(f"user{number}", f"address{number}")
    assert len(throttle._failed) == KEYS_LIMIT
