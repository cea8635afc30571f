"""CocoInstances: the photographs of COCO with the pixels of each object."""

from runner.data.images.detection import coco_json
from runner.data.images.detection.labels import LabelSet
from runner.data.images.detection.published import Coco
from runner.data.images.instances.instance_folder import InstanceFolder


class CocoInstances(Coco, InstanceFolder):
    """`Coco` with what its annotations say of pixels; drawn batch by batch, for all of them are 12 GB."""

    def labels(self) -> LabelSet:
        """Return all objects, downloading pictures and labels first if need be."""
        folder, files = self.there()
        return coco_json.read(folder, files, coco_json.object_of)
