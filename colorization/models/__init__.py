"Generators and discriminators. Importing a family puts its generators into the registry."
from . import unet, resnet_unet, multi_scale, lite_unet, hint_branch
