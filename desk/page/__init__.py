"""The page: three files that a browser gets as they are; all that it shows it asks of the API."""
