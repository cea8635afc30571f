"""Tables: CSV files and data sets with named columns."""
