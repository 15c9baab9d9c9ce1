"""The pytest plugin: recorded days, goldens and the real services as fixtures, for the tests of this repository and of others.

``plugin`` has the fixtures and is all that pytest loads; a fixture imports the module that it is made of when a test asks for it.
"""
