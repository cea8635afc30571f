"""Fine-tuning with few parameters: adapters beside frozen layers, merged into them afterwards, kept in files."""
