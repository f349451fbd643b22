"""The phrases of instructions, each list with those that training never says.

`{many}` and `{one}` are nouns, `{all}` words for a whole class in whatever number.
"""

from __future__ import annotations

ALL = (
    *("{all}", "{all}", "{all}", "the {all}", "all {all}", "all the {all}", "segment the {all}"),
    *("find all {all}", "show me the {all}", "select {all}", "mark the {all}", "outline all {all}"),
    *("highlight the {all}", "extract all {all}", "map the {all}", "{all} in the image"),
    *("all {all} in this picture", "delineate the {all}", "{all} only", "where are the {all}?"),
    *("segment {all}", "digitise all {all}", "give me all {all}", "draw around the {all}"),
)
ALL_HELD_OUT = (
    *("pick out all {all}", "trace the {all}", "I am looking for {all}", "label the {all} for me"),
    *("colour in the {all}", "every bit of {all} you can see", "isolate the {all}"),
    *("I need a mask of the {all}", "please find {all} for me"),
)
EACH = ("every {one}", "each {one}", "any {one}", "{one}", "every single {one}", "find every {one}")
EACH_HELD_OUT = ("each and every {one}", "whatever is {a_one}", "any {one} that is visible")

SEVERAL = ("{all}", "{all}", "all {all}", "the {all}", "segment {all}", "find {all}")
SEVERAL_HELD_OUT = ("pick out {all}", "isolate {all}", "trace the {all}")

THE_ONE = (
    *("the {x}", "the {x}", "the {x}", "find the {x}", "segment the {x}", "show me the {x}"),
    *("select the {x}", "where is the {x}?", "which one is the {x}?", "mark the {x}"),
)
THE_ONE_HELD_OUT = ("point out the {x}", "I want only the {x}", "locate the {x}", "trace the {x}")
THOSE = ("{x}", "{x}", "{x}", "the {x}", "all {x}", "find the {x}", "show me the {x}", "select {x}")
THOSE_HELD_OUT = ("pick out the {x}", "only the {x}, please", "I am interested in {x}")

SUPERLATIVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "largest": (
        ("largest {one}", "biggest {one}", "{one} with the largest area", "largest of the {many}"),
        ("{one} that takes up the most ground", "{one} of the greatest extent"),
    ),
    "smallest": (
        (
            "smallest {one}",
            "tiniest {one}",
            "{one} with the smallest area",
            "smallest of the {many}",
        ),
        ("{one} that takes up the least ground", "most compact {one}"),
    ),
    "left": (
        ("leftmost {one}", "westernmost {one}", "{one} furthest to the left", "most western {one}"),
        ("{one} closest to the left edge", "{one} that lies furthest west"),
    ),
    "right": (
        (
            "rightmost {one}",
            "easternmost {one}",
            "{one} furthest to the right",
            "most eastern {one}",
        ),
        ("{one} closest to the right edge", "{one} that lies furthest east"),
    ),
    "top": (
        ("topmost {one}", "northernmost {one}", "{one} furthest to the north", "uppermost {one}"),
        ("{one} closest to the upper edge", "{one} that lies furthest north"),
    ),
    "bottom": (
        (
            "bottommost {one}",
            "southernmost {one}",
            "{one} furthest to the south",
            "lowest {one} in the image",
        ),
        ("{one} closest to the lower edge", "{one} that lies furthest south"),
    ),
    "central": (
        ("{one} in the middle of the image", "most central {one}", "{one} nearest to the centre"),
        ("{one} at the very heart of the picture", "{one} least far from the image centre"),
    ),
    "brightest": (
        ("brightest {one}", "lightest {one}", "{one} with the brightest colour"),
        ("palest {one}", "{one} that reflects the most light"),
    ),
    "darkest": (
        ("darkest {one}", "{one} with the darkest colour"),
        ("dimmest {one}", "{one} that reflects the least light"),
    ),
    "tallest": (
        ("tallest {one}", "highest {one}", "{one} with the longest shadow"),
        ("{one} that rises furthest above the ground",),
    ),
    "longest": (
        ("longest {one}", "most elongated {one}"),
        ("{one} that stretches the furthest",),
    ),
    "nearest": (
        ("{one} nearest to {ref}", "{one} closest to {ref}", "nearest {one} to {ref}"),
        ("{one} with the shortest way to {ref}",),
    ),
    "farthest": (
        (
            "{one} farthest from {ref}",
            "{one} furthest away from {ref}",
            "most distant {one} from {ref}",
        ),
        ("{one} with the longest way to {ref}",),
    ),
}
ORDINALS = {
    "largest": ("{nth} largest {one}", "{nth} biggest {one}"),
    "smallest": ("{nth} smallest {one}",),
    "left": ("{nth} {one} from the left", "{nth} {one} from the west"),
    "right": ("{nth} {one} from the right", "{nth} {one} from the east"),
    "top": ("{nth} {one} from the top", "{nth} {one} from the north"),
    "bottom": ("{nth} {one} from the bottom", "{nth} {one} from the south"),
}
ORDINALS_HELD_OUT = {
    "largest": ("{one} that comes {nth} in size",),
    "smallest": ("{nth} {one} when sorted from small to large",),
    "left": ("{nth} {one} counting from left to right",),
    "right": ("{nth} {one} counting from right to left",),
    "top": ("{nth} {one} counting downwards",),
    "bottom": ("{nth} {one} counting upwards",),
}

REGIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "left": (
        (
            "in the left half",
            "on the left side",
            "on the left",
            "in the western half",
            "in the west",
        ),
        ("left of the middle", "in the left part of the picture"),
    ),
    "right": (
        (
            "in the right half",
            "on the right side",
            "on the right",
            "in the eastern half",
            "in the east",
        ),
        ("right of the middle", "in the right part of the picture"),
    ),
    "top": (
        (
            "in the upper half",
            "in the top half",
            "in the upper part",
            "in the northern half",
            "in the north",
        ),
        ("above the middle", "in the upper portion of the picture"),
    ),
    "bottom": (
        (
            "in the lower half",
            "in the bottom half",
            "in the lower part",
            "in the southern half",
            "in the south",
        ),
        ("below the middle", "in the lower portion of the picture"),
    ),
    "top left": (
        (
            "in the upper left",
            "in the top left quarter",
            "in the north-west",
            "in the upper left part",
        ),
        ("up and to the left", "in the north-western quarter"),
    ),
    "top right": (
        (
            "in the upper right",
            "in the top right quarter",
            "in the north-east",
            "in the upper right part",
        ),
        ("up and to the right", "in the north-eastern quarter"),
    ),
    "bottom left": (
        (
            "in the lower left",
            "in the bottom left quarter",
            "in the south-west",
            "in the lower left part",
        ),
        ("down and to the left", "in the south-western quarter"),
    ),
    "bottom right": (
        (
            "in the lower right",
            "in the bottom right quarter",
            "in the south-east",
            "in the lower right part",
        ),
        ("down and to the right", "in the south-eastern quarter"),
    ),
    "centre": (
        ("in the centre", "in the middle of the image", "in the middle", "in the central part"),
        ("away from the borders of the picture", "around the image centre"),
    ),
}

NEXT_TO = (
    ("next to {ref}", "beside {ref}", "adjacent to {ref}", "bordering on {ref}"),
    ("hard by {ref}", "flanking {ref}"),
)
NEAR = (
    ("near {ref}", "close to {ref}", "in the vicinity of {ref}", "not far from {ref}"),
    ("around {ref}", "a short walk from {ref}"),
)
WITHIN = (
    (
        "within {n} m of {ref}",
        "within {n} metres of {ref}",
        "less than {n} m from {ref}",
        "at most {n} m from {ref}",
        "closer than {n} m to {ref}",
    ),
    ("no more than {n} meters away from {ref}", "inside a {n} metre radius of {ref}"),
)
BEYOND = (
    (
        "more than {n} m from {ref}",
        "farther than {n} m from {ref}",
        "at least {n} metres away from {ref}",
        "over {n} m away from {ref}",
    ),
    ("outside a {n} metre radius of {ref}",),
)
FAR = (("far from {ref}", "far away from {ref}", "a long way from {ref}"), ("remote from {ref}",))
ON = (("on {ref}", "on top of {ref}", "standing on {ref}"), ("placed upon {ref}",))
IN = (("in {ref}", "inside {ref}", "within {ref}", "surrounded by {ref}"), ("enclosed by {ref}",))
BETWEEN = (
    ("between {ref} and {ref2}", "in between {ref} and {ref2}"),
    ("midway from {ref} to {ref2}",),
)
DIRECTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "left": (
        ("left of {ref}", "to the left of {ref}", "west of {ref}"),
        ("on the western side of {ref}",),
    ),
    "right": (
        ("right of {ref}", "to the right of {ref}", "east of {ref}"),
        ("on the eastern side of {ref}",),
    ),
    "above": (
        ("above {ref}", "north of {ref}", "to the north of {ref}"),
        ("on the northern side of {ref}",),
    ),
    "below": (
        ("below {ref}", "south of {ref}", "to the south of {ref}"),
        ("on the southern side of {ref}",),
    ),
}
OPPOSITE_DIRECTION = {"left": "right", "right": "left", "above": "below", "below": "above"}

LARGER = (
    (
        "{many} larger than {n} m²",
        "{many} bigger than {n} square metres",
        "{many} over {n} m²",
        "{many} with more than {n} m²",
        "{many} of more than {n} square meters",
    ),
    ("{many} whose area exceeds {n} m²",),
)
SMALLER = (
    (
        "{many} smaller than {n} m²",
        "{many} below {n} square metres",
        "{many} under {n} m²",
        "{many} with less than {n} m²",
        "{many} of less than {n} square meters",
    ),
    ("{many} whose area stays below {n} m²",),
)
COLOURED = (
    ("{colour} {many}", "{colour} {many}", "{many} that are {colour}", "{many} of {colour} colour"),
    ("{many} which look {colour}", "{many} painted {colour}"),
)
COLOURED_ROOF = (
    ("{many} with {colour} roofs", "{colour}-roofed {many}", "{many} with a {colour} roof"),
    ("{many} covered by a {colour} roof",),
)
NOT_COLOURED = (
    (
        "{many} that are not {colour}",
        "non-{colour} {many}",
        "{many} of any colour but {colour}",
        "{many} except the {colour} ones",
    ),
    ("{many} other than the {colour} ones",),
)
ALL_BUT = (
    (
        "everything but {all}",
        "everything except {all}",
        "all that is not {all}",
        "not {all}",
        "the image without {all}",
    ),
    ("whatever remains without {all}",),
)
ALL_BUT_ONE = (
    ("all {many} except the {x}", "every {one} but the {x}", "the {many} without the {x}"),
    ("the remaining {many} besides the {x}",),
)
ROOF_FORMS = {
    "flat": ("{many} with flat roofs", "flat-roofed {many}", "{many} with a flat roof"),
    "gable": (
        "{many} with gable roofs",
        "gable-roofed {many}",
        "{many} with a ridge and two slopes",
    ),
    "hip": (
        "{many} with hip roofs",
        "hip-roofed {many}",
        "{many} whose roofs slope on all four sides",
    ),
    "shed": ("{many} with a roof that slopes one way", "{many} with lean-to roofs"),
    "round": ("round {many}", "circular {many}"),
}
MATERIALS = {
    "tile": ("{many} with tiled roofs", "tile-roofed {many}"),
    "metal": ("{many} with metal roofs", "metal-roofed {many}"),
    "tin": ("{many} with corrugated tin roofs", "tin-roofed {many}"),
    "thatch": ("thatched {many}", "{many} with thatched roofs"),
    "gravel": ("{many} with gravel roofs", "{many} with gravel on the roof"),
    "concrete": ("{many} with concrete roofs",),
    "green": ("{many} with green planted roofs",),
}
SHAPES = {
    "L": ("L-shaped {many}", "{many} in the shape of an L"),
    "U": ("U-shaped {many}", "{many} in the shape of a U"),
    "T": ("T-shaped {many}", "{many} in the shape of a T"),
    "court": ("{many} around a courtyard", "{many} with an inner courtyard"),
}
SURFACES = {
    "paved": ("paved {many}", "asphalted {many}", "{many} with a hard surface"),
    "unpaved": ("unpaved {many}", "dirt {many}", "{many} of bare earth"),
}
