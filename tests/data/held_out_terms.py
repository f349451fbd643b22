"""GIS terms that stand nowhere in the label graph or its vocabulary, each with the nodes it may be said to be a kind of.

Written before the thresholds of `placing` were set, and used to set them: half of them (every second) to choose, half to measure.
"""

from __future__ import annotations

_WORDS = {
    "building": "cathedral; chapel; mosque; synagogue; pagoda; hangar; stable; cowshed; bungalow; villa; skyscraper; townhouse; kindergarten; university; clinic; hotel; supermarket; shopping mall; cinema; museum; library; police station; fire station; courthouse; prison; embassy; bakery; factory hall; sawmill; boathouse; gatehouse; cottage; mansion; palace; dormitory; sports hall; grandstand; petrol station; kiosk; bus shelter; carport; log cabin; barracks; town hall; monastery; brewery; tenement; penthouse",
    "roof": "mansard; gambrel roof; shed roof; dome; cupola; skylight window; roof tiles; thatched roof; green roof; roof ridge; chimney pot; rooftop antenna; ventilation duct; metal roofing; clerestory",
    "terrain": "tarmac; cobblestones; runway; taxiway; helipad; cycle path; motorway; highway lane; roundabout; crosswalk; plaza; schoolyard; dirt track; quarry floor; beach; dune; mudflat; rock outcrop; glacier; ploughed field; embankment; river bank; sports pitch; basketball court; tramway; railway siding; parking space; gravel road; bare rock; slope",
    "water": "lagoon; creek; fjord; harbour basin; fish pond; retention basin; marina water; waterfall; brook; irrigation ditch; estuary; moat; rapids",
    "vegetation": "beech; birch; larch; cedar; eucalyptus; olive tree; apple orchard; vineyard; bamboo; cactus; heather; reeds; ferns; moss; wheat; corn; sunflower field; flower bed; rhododendron; ivy; mangrove; poplar; willow; sapling; coppice; juniper; topiary; vegetable garden; rice paddy; sugar cane; hay; sequoia; tree trunk; windbreak; brambles; conifers plantation",
    "structure": "aqueduct arch; gantry; dam; weir; lock gate; sluice; retaining structure; crash barrier; handrail; palisade; hoarding; cooling tower; water tower; radio tower; lighthouse; oil derrick; gas holder; digester; blast furnace; conveyor belt; pipeline; sound barrier; scaffolding; pergola; statue; obelisk; fountain; staircase; ramp; tunnel portal; culvert; ski jump; ferris wheel; roller coaster; excavator boom; groyne; slipway; hay silo; minaret; castle ruin",
    "utility": "guy wire; telegraph wire; trolley wire; insulator; substation; transformer; mobile phone mast; flagpole; floodlight; bollard light; cable car line; traffic signal; antenna mast; electric cable; pole-mounted transformer; overhead contact line; telecom tower; lattice mast; weather station mast",
    "vehicle": "minibus; ambulance; fire engine; tractor; combine harvester; motorbike; scooter; bicycle; caravan; camper; excavator; bulldozer; forklift; dump truck; tanker lorry; tug; canoe; gondola; catamaran; warship; submarine; hovercraft; glider; biplane; drone; hot air balloon; streetcar; metro train; hearse; limousine; pickup; golf cart; snowplough; airship; cruise liner",
    "furniture": "bench; litter bin; letter box; picnic table; planter; phone booth; bike rack; parking meter; fire hydrant; playground slide; swing; tombstone; pallet; log pile; wood stack; sandbag; tyre stack; scrap heap; hay bale; barrel; vending machine; parasol; market stall; manure heap; traffic cone; billboard; statue base",
    "noise": "flying insects; multipath error; sensor glitch; dust cloud; steam; fog; rain drops; flock of seagulls; stray returns; ghost points",
}
# Where people who know the subject would say either.
_ALSO = {
    "furniture": "kiosk; bus shelter; statue; fountain; flagpole; traffic cone; bollard light; insulator; transformer; scaffolding; handrail; hoarding; caravan; excavator boom",
    "structure": "grandstand; carport; bus shelter; billboard; tombstone; substation; mobile phone mast; antenna mast; telecom tower; lattice mast; flagpole; embankment; cable car line; dome; playground slide; swing; planter; petrol station; weather station mast; helipad; runway; market stall; parasol; statue base; castle ruin; chimney pot; kiosk; overhead contact line",
    "building": "dome; cupola; mansard; clerestory; chimney pot; skylight window; substation; water tower; lighthouse; cooling tower; minaret; castle ruin; dam; blast furnace; market stall; hay silo; caravan; staircase; pergola; digester; roof tiles; roof ridge; thatched roof; metal roofing; gambrel roof; shed roof; green roof; rooftop antenna; ventilation duct; transformer; scaffolding; boathouse; gas holder; telecom tower; ramp; retaining structure; tunnel portal",
    "utility": "rooftop antenna; radio tower; gantry; pipeline; billboard; parking meter; fire hydrant; phone booth; insulator; scaffolding",
    "vegetation": "green roof; wheat; hay bale; log pile; wood stack; ploughed field; vineyard; slope; dune; sports pitch; river bank",
    "terrain": "flower bed; vegetable garden; rice paddy; wheat; corn; hay; moss; ramp; slipway; dam; groyne; river bank; scrap heap; manure heap; culvert; weir; marina water",
    "water": "rice paddy; mudflat; glacier; culvert; sluice; weir; lock gate; steam; fog; rain drops; river bank; beach; mangrove; reeds; fountain; dam",
    "vehicle": "excavator boom; gantry; cable car line; streetcar; airship; trolley wire; tramway; conveyor belt; bike rack; tyre stack; snowplough; hot air balloon; drone",
    "noise": "drone; hot air balloon",
    "roof": "green roof; penthouse",
}
NONSENSE = (
    "blorf; xqzt; justice; tuesday; happiness; democracy; algorithm; symphony; invoice; grammar; jealousy; philosophy; "
    "wombat recipe; quarterly profit; the number seven; love song; tax return; password; opinion; weekend; asdf qwer; "
    "zzzz; inflation rate; homework; username; friendship; theorem; poem; yesterday; birthday party"
)


def _listed(words: str) -> list[str]:
    return [word.strip() for word in words.split(";") if word.strip()]


def terms() -> dict[str, frozenset[str]]:
    """Each term with the top-level nodes (and "roof") that are right for it."""
    found: dict[str, set[str]] = {}
    for node, words in (*_WORDS.items(), *_ALSO.items()):
        for word in _listed(words):
            found.setdefault(word, set()).add(node)
    return {word: frozenset(nodes) for word, nodes in found.items()}


def nonsense() -> list[str]:
    """What is no kind of thing that stands in a city."""
    return _listed(NONSENSE)
