"""The optimizer: searches the recent past for better parameters, and says how sure it is."""
