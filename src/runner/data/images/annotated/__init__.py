"""Annotated pictures: what sets share whose labels lie in files of their own, boxes and masks."""
