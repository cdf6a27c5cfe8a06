"""JSON Schemas of the words, generated from the types by `python -m protocol.schema.generate`."""
