"""The lab's stages: topology (what there is), network, services, drive, capture, truth."""


class LabError(Exception):
    """The lab cannot go on; the message says what failed and where."""
