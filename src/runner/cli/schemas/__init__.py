"""JSON Schema of the YAML files of every group, for editors: from the files themselves and from what checks them."""
