# Sluice: `make help` lists everything.
