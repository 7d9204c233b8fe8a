"""A toolbox for media files; untrusted bytes only in a child process."""
