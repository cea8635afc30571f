"""Parts of a date that come round again, each with how many of its units make a round."""

CYCLES = {"hour": 24.0, "weekday": 7.0, "day": 365.2425, "month": 12.0}
