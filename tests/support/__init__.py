"""Plain modules and fixtures that tests of several folders share."""
