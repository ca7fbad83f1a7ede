"""The one error a user of the local cloud meets."""


class LocalCloudError(Exception):
    """The local cloud cannot do what was asked; the message is one or two sentences meant for the user."""
