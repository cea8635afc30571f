"""By what runs are ranked, and how far a test metric can be relied upon: plain functions over recorded metrics."""
