"""The searchers whose proposals the tuner mixes, one file each."""
