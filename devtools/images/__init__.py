"""The two container images, built without a registry or an image engine: OCI archives of Debian packages and wheels.

`agent_image()` carries certagent, `database_image()` the stand-in database node. Both share a base layer (Python and
the few programs that pods run). Archives are cached by content. Loading them into a dev cluster is devtools/cluster's.
"""

from devtools.images.cache import BuildError
from devtools.images.recipes import Image, agent_image, database_image

__all__ = ["BuildError", "Image", "agent_image", "database_image"]
