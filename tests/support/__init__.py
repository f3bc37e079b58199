"""Hosts, machines and stand-ins that tests are made of."""
