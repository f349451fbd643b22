"""Questions about particular objects, by hand, and the judge that answers each."""

from __future__ import annotations

from inference_backend.training.instructions.judges import (
    Rule,
    alone,
    away_from,
    close_to,
    coloured,
    flat_roof,
    most,
    nearest_to,
    on_ground,
    with_solar,
)

RULES = (
    Rule(
        "building",
        most("largest"),
        (
            "Which building could hold the most solar panels?",
            "The roof that would collect the most rainwater",
            "Which building has room for the most people?",
            "Where would you put the biggest rooftop garden?",
            "Which roof needs the most material to be covered anew?",
        ),
        (
            "Which roof would be the dearest to replace?",
            "On which single roof could the largest solar plant be built?",
        ),
    ),
    Rule(
        "building",
        most("smallest"),
        (
            "Which building is most likely a shed for tools?",
            "Which roof could be painted in the shortest time?",
            "The building with the least room inside",
        ),
        ("Which roof could be re-covered with the fewest tiles?",),
    ),
    Rule(
        "building",
        most("tallest"),
        (
            "Which building would give the widest view?",
            "From which roof could one look down on all the others?",
            "Which building throws the longest shadow?",
        ),
        ("Where would the lift take the longest?",),
    ),
    Rule(
        "building",
        close_to("water", 12, 40),
        (
            "Which houses would be flooded first?",
            "Which homes are at risk when the water rises?",
            "From which houses could one jump straight into a boat?",
        ),
        ("Whose cellar is in danger at high water?",),
        ("water",),
    ),
    Rule(
        "building",
        close_to("pool", 10, 25),
        ("Which homes have their own pool?", "Whose garden has a place to swim?"),
        ("Which house would invite friends for a swim?",),
        ("pool",),
    ),
    Rule(
        "building",
        close_to("road", 8, 20),
        (
            "Which houses hear the traffic most?",
            "Which buildings can a visitor reach by car without walking far?",
            "Where would noise from vehicles disturb sleep?",
        ),
        ("Who breathes the most exhaust fumes at home?",),
        ("road",),
    ),
    Rule(
        "building",
        away_from("road", 20, 40),
        (
            "Which buildings are hardest to reach with a fire engine?",
            "Which houses stand far from any traffic?",
        ),
        ("To which house would a parcel have to be carried a long way?",),
        ("road",),
    ),
    Rule(
        "building",
        with_solar(True),
        (
            "Which roofs already make their own electricity?",
            "Which buildings produce power on sunny days?",
            "Which homes would still have light if the grid failed at noon?",
        ),
        ("Who is paid for feeding the grid?",),
        ("solar array",),
    ),
    Rule(
        "building",
        with_solar(False),
        (
            "Which roofs could still get solar panels?",
            "Which buildings do not make use of the sun yet?",
        ),
        ("Where is there still a roof for a new solar plant?",),
        ("solar array",),
    ),
    Rule(
        "building",
        coloured("light"),
        ("Which roofs stay coolest in the sun?", "Which roofs throw most of the sunlight back?"),
        ("Which roofs help a city against summer heat?",),
    ),
    Rule(
        "building",
        coloured("dark"),
        ("Which roofs heat up most in the sun?", "From which roofs would snow melt first?"),
        ("Which roofs would burn bare feet in July?",),
    ),
    Rule(
        "building",
        flat_roof,
        (
            "On which buildings could a roof terrace be laid out?",
            "Which roofs could one walk on without slipping?",
            "Where would rain stand on the roof?",
        ),
        ("On which roofs could a drone land safely?",),
    ),
    Rule(
        "building",
        alone,
        (
            "Which house has the fewest neighbours?",
            "Where would loud music disturb nobody?",
            "Which home has the most privacy?",
        ),
        ("Which house would a hermit choose?",),
    ),
    Rule(
        "tree",
        close_to("building", 2, 6),
        (
            "Which trees could fall on a house?",
            "Which trees shade a roof or a wall?",
            "Which trees would fill the gutters with leaves?",
        ),
        ("Which trees should be inspected before a storm because of the homes beside them?",),
        ("building",),
    ),
    Rule(
        "tree",
        close_to("road", 2.5, 8),
        ("Which trees could block the traffic if they fell?", "Which trees shade the street?"),
        ("Which trees would drop leaves on passing cars?",),
        ("road",),
    ),
    Rule(
        "tree",
        most("largest"),
        (
            "Which tree is probably the oldest?",
            "Under which tree would the most people find shade?",
        ),
        ("Which tree stores the most wood?",),
    ),
    Rule(
        "car",
        on_ground("parking lot"),
        ("Which cars have been parked by shoppers?", "Which cars stand in a bay?"),
        ("Which cars wait for their owners to come back from shopping?",),
        ("parking lot",),
    ),
    Rule(
        "car",
        on_ground("road"),
        (
            "Which cars are on the move or in the way of traffic?",
            "Which cars are out on the street?",
        ),
        ("Which cars would a speed camera see?",),
        ("road",),
    ),
    Rule(
        "car",
        coloured("white"),
        ("Which cars heat up least in the sun?", "Which cars show dirt most?"),
        ("Which cars are easiest to see at night?",),
    ),
    Rule(
        "boat",
        close_to("pier", 2, 8),
        ("Which boats are moored?", "Which boats can be boarded on foot?"),
        ("Which boats need no dinghy to get ashore?",),
        ("pier",),
    ),
    Rule(
        "boat",
        away_from("pier", 8, 20),
        ("Which boats are under way or at anchor?", "Which boats have gone out of the harbour?"),
        ("Whose crew can't step ashore at the moment?",),
        ("pier",),
    ),
    Rule(
        "field",
        most("largest"),
        ("Which field gives the biggest harvest?", "Which field takes longest to plough?"),
        ("Where would the farmer need the most seed?",),
    ),
    Rule(
        "parking lot",
        most("largest"),
        (
            "Which car park has room for the most cars?",
            "Where would a stadium send its visitors to park?",
        ),
        ("Which car park would fill up last?",),
    ),
    Rule(
        "tank",
        close_to("building", 15, 40),
        (
            "Which tanks stand dangerously close to people?",
            "Which tanks would put a house at risk in a fire?",
        ),
        ("Which tanks need a wall to protect those who live next door?",),
        ("building",),
    ),
    Rule(
        "aircraft",
        on_ground("runway"),
        ("Which plane is about to take off or has just landed?",),
        ("Which plane has clearance from the tower?",),
        ("runway",),
    ),
    Rule(
        "pool",
        nearest_to("building"),
        ("Which pool is the shortest walk from a door?",),
        ("Which pool could one reach from the house in the fewest steps?",),
        ("building",),
    ),
    Rule(
        "building",
        nearest_to("road"),
        (
            "Which building would a bus driver pass closest?",
            "At which house does a vehicle pass nearest to the wall?",
        ),
        ("Which house would lose ground first if the street were widened?",),
        ("road",),
    ),
    Rule(
        "building",
        nearest_to("water"),
        (
            "Which house would the flood reach first?",
            "From which house is it the shortest way to go swimming?",
        ),
        ("Which house has the shortest walk to the shore?",),
        ("water",),
    ),
)
