"""The spine under every implementation: a stack of seeds trained by one process."""
