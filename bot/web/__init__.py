"""What Dailies serves over HTTP: signed links and health."""
