"""The front end and the interlock as ngspice circuits, with the values of pinmap.toml.

Each function returns the text of one deck. What a datasheet says is named beside the number; what is only assumed is
called so. SI units, as in SPICE.
"""

from __future__ import annotations

from bench import MAP, analog_input

# ADS1115 datasheet SBAS444, "Electrical Characteristics", at +-4.096 V: from each input to ground, and to the other
# input, which single-ended is joined to ground inside.
ADC_COMMON_OHM = 6e6
ADC_DIFFERENTIAL_OHM = 15e6
# Bourns MF-R010: between its least and its post-trip resistance.
FUSE_OHM = 4.0
# A transducer as seen from its terminals, assumed: 3 mA at 5 V, 100 ohm of output, silent below 2.7 V, diodes from the
# output to both supplies and across them, as every chip has.
SUPPLY_OHM = 1667.0
OUTPUT_OHM = 100.0

_MODELS = """\
.model silicon D(Is=1e-14 N=1.0 Rs=1)
.model body D(Is=1e-12 N=1.1 Rs=10)
.model surge D(Is=1e-14 N=1.0 Rs=0.1 BV=6.4 IBV=10m)
.model schottky D(Is=2e-7 N=1.05 Rs=2 BV=30)
"""


def _divider() -> str:
    """Subcircuit of one analog input: signal, converter's pin, 3.3 V."""
    divider = MAP["divider"]
    return f"""\
.subckt divider signal pin vdd
Rtop signal pin {divider["top_ohm"]}
Rbottom pin 0 {divider["bottom_ohm"]}
Cfilter pin 0 {divider["filter_nf"]}n
Dlow 0 pin silicon
Dhigh pin vdd silicon
Rcommon pin 0 {ADC_COMMON_OHM}
Rdifferential pin 0 {ADC_DIFFERENTIAL_OHM}
.ends
"""


_TRANSDUCER = f"""\
.subckt transducer supply ground output share=0.34
Rsupply supply ground {SUPPLY_OHM}
Bout inner ground V = {{share}} * V(supply,ground) / (1 + exp((2.7 - V(supply,ground)) * 40))
Rout inner output {OUTPUT_OHM}
Dup output supply body
Ddown ground output body
Dback ground supply body
.ends
.subckt transducer_blocked supply ground output share=0.34
Rleak supply ground 10meg
Rout output ground 100meg
.ends
"""

# What stands between the rail and the input: (case, what it is, lines). Nodes: rail (behind the fuse), sig (at the
# board's connector), 0.
FAULTS = (
    ("good_300_mbar", "0.3 bar absolute, as when filled by vacuum", "X1 rail 0 sig transducer share=0.148"),
    ("good_1500_mbar", "1.5 bar absolute", "X1 rail 0 sig transducer share=0.34"),
    ("good_span", "whole span", "X1 rail 0 sig transducer share=0.9"),
    ("signal_open", "signal wire broken", "X1 rail 0 away transducer\nRaway away 0 1g"),
    ("supply_open", "supply wire broken", "X1 away 0 sig transducer\nRaway away 0 1g"),
    ("cable_off", "connector pulled out", "Raway rail 0 1g"),
    ("short_to_ground", "signal on ground", "X1 rail 0 sig transducer\nRshort sig 0 0.1"),
    ("short_to_5v", "signal on the supply", "X1 rail 0 sig transducer\nRshort sig rail 0.1"),
    ("reversed_blocked", "supply reversed, transducer that blocks", "X1 0 rail sig transducer_blocked"),
    ("reversed_diodes", "supply reversed, transducer that conducts", "X1 0 rail sig transducer"),
    ("supply_short", "supply wire on ground", "X1 rail 0 sig transducer\nRshort rail 0 0.1"),
    ("rail_low_10", "1.5 bar, rail 4.5 V", "X1 rail 0 sig transducer share=0.34"),
    ("rail_high_10", "1.5 bar, rail 5.5 V", "X1 rail 0 sig transducer share=0.34"),
    ("rail_low_25", "1.5 bar, rail 3.75 V", "X1 rail 0 sig transducer share=0.34"),
    ("both_grounds_open", "both ground wires broken", "X1 rail away sig transducer\nRaway away 0 1g"),
    ("output_as_supply", "supply and output exchanged", "X1 sig 0 rail transducer"),
)
SOURCE_V = {"rail_low_10": 4.5, "rail_high_10": 5.5, "rail_low_25": 3.75}


def fault_deck(case: str, lines: str) -> str:
    """One wiring of a transducer, at rest: prints v(pin_signal), v(pin_rail), v(rail)."""
    signal, rail = analog_input("p_static_pa"), analog_input("rail_mv")
    return f"""\
front end, {case}
{_MODELS}{_divider()}{_TRANSDUCER}
Vusb usb 0 {SOURCE_V.get(case, 5.0)}
Vlogic vdd 0 3.3
Rfuse usb rail {FUSE_OHM}
Dsurge 0 rail surge
{lines}
Xsignal sig ain{signal} vdd divider
Xrail rail ain{rail} vdd divider
.control
op
print v(ain{signal}) v(ain{rail}) v(rail)
.endc
.end
"""


def response_deck() -> str:
    """Frequency response from the transducer to the converter's pin: writes frequency, magnitude, phase."""
    return f"""\
front end, frequency response
{_MODELS}{_divider()}
Vlogic vdd 0 3.3
Vsignal source 0 DC 1.7 AC 1
Rout source sig {OUTPUT_OHM}
X1 sig pin vdd divider
.control
set wr_singlescale
set wr_vecnames
ac dec 200 0.1 10k
wrdata out.txt vm(pin) vp(pin)
.endc
.end
"""


def settling_deck() -> str:
    """A step of the whole signal, 10 % to 90 % of the rail at 10 ms: writes time, v(pin)."""
    return f"""\
front end, settling
{_MODELS}{_divider()}
Vlogic vdd 0 3.3
Vsignal source 0 PWL(0 0.5 10m 0.5 10.001m 4.5)
Rout source sig {OUTPUT_OHM}
X1 sig pin vdd divider
.options reltol=1e-6
.control
set wr_singlescale
set wr_vecnames
tran 20u 110m 0 20u
wrdata out.txt v(pin)
.endc
.end
"""


# (case, its band of pinmap.toml, what hangs on the input). At the rope's end the resistor; between the wires the water.
ROPE = (
    ("dry", "dry", "Rend rope 0 {end}"),
    ("damp: ten times the resistance that counts as wet", "dry", "Rend rope 0 {end}\nRdamp rope 0 500k"),
    ("wet: the most resistance that counts", "wet", "Rend rope 0 {end}\nRwet rope 0 {wet}"),
    ("wet through", "wet", "Rend rope 0 {end}\nRwet rope 0 1k"),
    ("wires touch", "wet", "Rend rope 0 {end}\nRshort rope 0 0.1"),
    ("wire broken", "broken", ""),
    ("connector pulled out", "broken", ""),
)
# Supply of the Pico, 3.3 V +-3 % (RT6150B-33GQW datasheet), pull-up and the other resistors 1 % apart.
ROPE_CORNERS = {"low": (3.2, 1.01, 0.99), "high": (3.4, 0.99, 1.01)}

# The interlock's corners. IRLML6244 datasheet: VGS(th) 0.5 to 1.1 V. Capacitors +-20 %, resistors 1 %, so that one
# corner lets the relay in most easily and late out, the other is the hardest to keep in.
CORNERS = {
    "late out": {"threshold_v": 0.5, "capacitors": 1.2, "resistors": 1.01, "high_v": 3.4, "supply_v": 5.25},
    "hard in": {"threshold_v": 1.1, "capacitors": 0.8, "resistors": 0.99, "high_v": 3.1, "supply_v": 4.75},
}
# RP2040 datasheet, "Pin Specifications": the pull-down that a reset pin has, from 50k.
PULL_DOWN_OHM = 50e3
EDGES_UNTIL_S = 4.0
COIL_OHM = 63.0  # Omron G5LE-1 DC5, "Coil Ratings"
COIL_H = 0.05  # assumed

# (case, corner, mode, ms between edges, what the pin does after EDGES_UNTIL_S)
INTERLOCK = (
    ("toggling every 10 ms", "hard in", "pumped", 10, "toggles"),
    ("toggling every 50 ms", "hard in", "pumped", 50, "toggles"),
    ("toggling with every sample", "hard in", "pumped", 100, "toggles"),
    ("one sample late", "hard in", "pumped", 100, "late"),
    ("stuck high", "late out", "pumped", 10, "high"),
    ("stuck low", "late out", "pumped", 10, "low"),
    ("pin released", "late out", "pumped", 10, "released"),
    ("high from the start", "late out", "pumped", 0, "high"),
    ("supply lost", "late out", "pumped", 10, "supply"),
    ("static, commanded out", "late out", "static", 0, "low"),
    ("static, pin released", "late out", "static", 0, "released"),
)


def interlock_deck(corner: str, mode: str, edge_ms: int, after: str) -> str:
    """The interlock over 8 s: writes time, gate, coil's voltage."""
    pump = MAP["interlock_pump"]
    values = CORNERS[corner]
    scale_c, scale_r = values["capacitors"], values["resistors"]
    until = EDGES_UNTIL_S
    high = values["high_v"]
    if edge_ms:
        edge = edge_ms / 1000
        goes_on = after in ("toggles", "late")
        # The last edge is the one at EDGES_UNTIL_S: upwards for a pin that stays high. Where one is late edges pause
        # there, after a falling one, when the reservoir is at its lowest.
        pause = pump["late_most_ms"] / 1000 if after == "late" else 0.0
        wave = _pulses(edge, 8.0 if goes_on else until, high, after == "high", pause)
    else:
        # A level from 1 s on; where it falls, it falls at EDGES_UNTIL_S.
        fall = f" {until} {high} {until + 1e-4} 0" if after in ("low", "released") else ""
        wave = f"PWL(0 0 1 0 1.0001 {high}{fall})"
    released = until if after == "released" else 100
    lost = until if after == "supply" else 100
    source = "gatein" if mode == "static" else "pumpout"
    return f"""\
interlock, {corner}, {mode}, {edge_ms}, {after}
{_MODELS}
.model power NMOS(LEVEL=1 VTO={values["threshold_v"]} KP=20 LAMBDA=0)
.model contact SW(VT=0.5 VH=0.1 RON=1 ROFF=1g)
Vpin drive 0 {wave}
Vheld held 0 PWL(0 1 {released} 1 {released + 1e-4} 0)
Sdrive drive gpio held 0 contact
Rpull gpio 0 {PULL_DOWN_OHM}
Rseries gpio gatein {pump["series_ohm"] * scale_r}
Ccoupling gatein mid {pump["coupling_nf"] * scale_c}n
Dground 0 mid schottky
Dout mid pumpout schottky
Creservoir pumpout 0 {pump["reservoir_nf"] * scale_c}n
Rbleed pumpout 0 {pump["bleed_ohm"] * scale_r}
Rjumper {source} gate 0.01
Rgate gate 0 {pump["gate_ohm"] * scale_r}
Vsupply supply 0 PWL(0 {values["supply_v"]} {lost} {values["supply_v"]} {lost + 1e-4} 0)
Lcoil supply coil {COIL_H}
Rcoil coil low {COIL_OHM}
Dflyback low supply silicon
Mrelay low gate 0 0 power
.ic v(mid)=0 v(pumpout)=0 v(gatein)=0
.control
set wr_singlescale
set wr_vecnames
tran 1m 8 0 1m uic
wrdata out.txt v(gate) v(coil)-v(low) v(gpio)
.endc
.end
"""


def rope_deck(case: str, corner: str, lines: str) -> str:
    """The rope's input at rest: prints v(pin)."""
    rope = MAP["rope"]
    vdd, pull, rest = ROPE_CORNERS[corner]
    pin = f"ain{rope['input']}"
    return f"""\
rope, {case}, {corner}
Vlogic vdd 0 {vdd}
Rpull vdd {pin} {rope["pull_up_ohm"] * pull}
Rseries rope {pin} {rope["series_ohm"] * rest}
Cfilter {pin} 0 {rope["filter_nf"]}n
Rcommon {pin} 0 {ADC_COMMON_OHM}
Rdifferential {pin} 0 {ADC_DIFFERENTIAL_OHM}
Raway rope 0 1g
{lines.format(end=rope["end_ohm"] * rest, wet=rope["wet_ohm"])}
.control
op
print v({pin})
.endc
.end
"""


def _pulses(edge_s: float, last_s: float, high_v: float, ends_high: bool, pause_s: float) -> str:
    """Edges every edge_s up to the last one at last_s, as corner points; a pause after EDGES_UNTIL_S."""
    points = ["0 0"]
    n = round(last_s / edge_s)
    for i in range(1, n + 1):
        up = (n - i) % 2 == 0 if ends_high else (n - i) % 2 == 1
        at_s = i * edge_s + (pause_s if i * edge_s > EDGES_UNTIL_S + 1e-6 else 0.0)
        points.append(f"{at_s:.6f} {0 if up else high_v} {at_s + 1e-4:.6f} {high_v if up else 0}")
    return "PWL(" + "\n+ ".join(points) + ")"
