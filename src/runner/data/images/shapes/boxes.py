"""ShapesBoxes: generated pictures of shapes, with a box around each."""

from runner.data.images.detection.detection import DetectionDataModule
from runner.data.images.shapes.drawing import SHAPES
from runner.data.images.shapes.generated import GeneratedShapes
from runner.data.module import Source


class ShapesBoxes(GeneratedShapes, DetectionDataModule):
    """Generated pictures with a box around each shape; hidden ones have none."""

    def load(self) -> Source:
        """Draw all pictures."""
        scenes = self.scenes()
        return Source(scenes.images, scenes.boxes, class_names=SHAPES)
