"""The objects of one run: built from its configuration, put together, and handed to the stages."""
