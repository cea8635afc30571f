"""ShapesInstances: generated pictures of shapes, with a box and the pixels of each."""

from runner.data.images.instances.instances import InstancesDataModule, around
from runner.data.images.shapes.drawing import SHAPES
from runner.data.images.shapes.generated import GeneratedShapes
from runner.data.module import Source


class ShapesInstances(GeneratedShapes, InstancesDataModule):
    """Generated pictures with a box around what can be seen of each shape, and its pixels; hidden ones have none."""

    def load(self) -> Source:
        """Draw all pictures."""
        scenes = self.scenes()
        targets = {"boxes": around(scenes.objects, scenes.boxes), "objects": scenes.objects}
        return Source(scenes.images, targets, class_names=SHAPES)
