"""Minds: executor, optimizer, coordinator, and the command line that starts them."""
