"""The embedded, free provider: it renders an honest storyboard of the request on this machine."""
