import torch
from torch import Generator
from torch.nn.functional import pad

from triggerfish.zoo.augmentation import MARGIN, flipped_and_cropped

IMAGES = torch.randint(1, 256, (300, 3, 8, 10), dtype=torch.uint8, generator=Generator())


def crops(image):
    """Every crop of one image that augmentation may give, mirrored or not."""
    padded = pad(image, (MARGIN,) * 4)
    for row in range(2 * MARGIN + 1):
        for column in range(2 * MARGIN + 1):
            crop = padded[:, row : row + 8, column : column + 10]
            yield from (crop, crop.flip(2))


def test_every_image_is_a_crop_of_itself_perhaps_mirrored_and_all_crops_occur():
    same = IMAGES[:1].expand(3000, -1, -1, -1)
    seen = {image.numpy().tobytes() for image in flipped_and_cropped(same, Generator())}
    assert seen == {crop.numpy().tobytes() for crop in crops(IMAGES[0])}


def test_images_keep_their_place_in_the_batch_and_the_input_is_left_alone():
    before = IMAGES.clone()
    changed = flipped_and_cropped(IMAGES, Generator())
    assert changed.dtype == torch.uint8
    assert torch.equal(IMAGES, before)
    for image, result in zip(IMAGES[:5], changed, strict=False):
        assert any(torch.equal(result, crop) for crop in crops(image))
