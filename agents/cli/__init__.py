"""The command line: parses, starts processes, prints; decides nothing."""
