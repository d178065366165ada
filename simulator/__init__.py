"""A plant to talk to: seeded devices that publish over MQTT and obey commands.

A peer of the server, not a part of it: it imports nothing from there, so that one mistake cannot hide on both sides.
"""
