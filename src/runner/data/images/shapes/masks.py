"""ShapesMasks: generated pictures of shapes, with the class of every pixel."""

from runner.data.images.segmentation.segmentation import SegmentationDataModule
from runner.data.images.shapes.drawing import SHAPES
from runner.data.images.shapes.generated import GeneratedShapes
from runner.data.module import Source


class ShapesMasks(GeneratedShapes, SegmentationDataModule):
    """Generated pictures with the class of every pixel; class 0 is the ground."""

    def load(self) -> Source:
        """Draw all pictures."""
        scenes = self.scenes()
        return Source(scenes.images, scenes.masks, class_names=("background", *SHAPES))
