"""What Dailies serves over HTTP: signed links, callbacks and health."""
