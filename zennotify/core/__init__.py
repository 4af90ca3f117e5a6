"""The pure part: values in, values out; no clock, no store, no third party.  Start reading in decide.py."""
