"""The command line: parses, builds one Settings, calls one function, prints through `output`."""
