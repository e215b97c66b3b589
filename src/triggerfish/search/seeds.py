"""What each step adds to a scan's seed, so that none draws the images of another.

A step can then be repeated by itself. Distances are wide, because a step may count up from its own.
"""

FRESH = 1
"""Images that a search never draws: success is measured on them."""
FEW_STAMPED, MANY_STAMPED = 21, 22
"""Images for plain stamps: to choose them, and to count on."""
PAIRS = 7919
"""For each further run of the search for pairs."""
CONFIRMATION, CONTROLS = 500_009, 17
"""A confirmation test, and in it the other classes that the suspect is held against."""
SURE = 700_001
"""Images that the network is led to be sure of."""
UNTARGETED = 800_001
BLENDS = 900_001
CHECK = 1_000_003
"""Of a repair's own check, whatever the seed of the scan and of the repair."""
SHOWN = 1_000_004
"""Images on a repair's page, beside those of its check."""
