"""The fixture hosts that are made in memory: a module for each family of them.

Every module here has ``HOSTS``: healthy hosts first, then those that are "healthy,
but ..." (`Recipe.but`). Being here is being a fixture host.
"""
