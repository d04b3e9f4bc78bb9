"""A directory for PYTHONPATH: a process that has it there asks a file instead of a name server."""
