"""The preprocessings that are tried where nobody says."""

from triggerfish.loading.preprocessing import plausible

CAFFE = (103.939, 116.779, 123.68)


def test_photographs_may_be_whole_bytes_less_the_mean_of_imagenet() -> None:
    for keras in (False, True):
        tried = plausible((3, 96, 96), (), keras)
        assert [hints.input_range for hints in tried if hints.mean == CAFFE] == [(0.0, 255.0)]


def test_small_and_grey_images_have_no_mean_of_imagenet() -> None:
    for shape in ((3, 32, 32), (1, 224, 224)):
        assert CAFFE not in [hints.mean for hints in plausible(shape, ())]
