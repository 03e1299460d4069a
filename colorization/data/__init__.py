"Photos: found, split, cleaned, decoded once, degraded, packed."
from .photos import *
from .cache import *
