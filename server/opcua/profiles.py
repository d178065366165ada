"""The profiles that the Server object lists: those whose every unit is shown by tests."""

SERVER_PROFILES: tuple[str, ...] = ()
