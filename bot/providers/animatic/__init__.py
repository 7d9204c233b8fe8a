"""The embedded provider: an honest storyboard, rendered locally and free."""
