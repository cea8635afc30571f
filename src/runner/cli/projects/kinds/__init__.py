"""Kinds of files that a project may start from, one file each: look at them, describe them, choose settings."""

# What a project on files of each kind is for.
KINDS = {
    "folder": "Tells the classes of pictures apart.",
    "table": "Predicts a column of a table from the others.",
    "coco": "Finds objects in pictures.",
    "text": "Tells the classes of short texts apart.",
}
