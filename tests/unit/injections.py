"""The faults that the bench injects, and what the board must say of each: events 20 s after power-on, with a baseline.

One list for every engine: tests/unit/test_faults.py runs it in this process, tests/vm/test_faults.py on MicroPython.
"""

from dataclasses import dataclass, field
from typing import Any

AT_S = 20.0


@dataclass(frozen=True)
class Injection:
    """A fault. alarms: what must be raised. blind: the board must say that it does not guard.

    settings: of the scenario. healed: events that end it, at 60 s.
    """

    name: str
    events: tuple[dict[str, Any], ...]
    alarms: frozenset[str]
    healed: tuple[dict[str, Any], ...] = ()
    settings: tuple[str, ...] = ()
    config: dict[str, int] = field(default_factory=dict)

    @property
    def blind(self) -> bool:
        return "blind" in self.alarms


def fault(channel: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"do": "sensor_fault", "channel": channel, "kind": kind, **more}


def heal(channel: str) -> tuple[dict[str, Any], ...]:
    return ({"do": "sensor_heal", "channel": channel},)


def of(*names: str) -> frozenset[str]:
    return frozenset(names)


STATIC, PUMP, RAIL, COMMON = "sensor_fault_p_static", "sensor_fault_p_pump", "sensor_fault_rail", "common_mode_fault"

# What nobody measures must stand still, or the loop would not have been commissioned so finely.
RAIL_NOT_MEASURED = ("sensors.rail.fitted=false", "sensors.rail.wander_v=0")

INJECTIONS = (
    Injection("p_static_open", (fault("p_static", "open"),), of(STATIC, "blind"), heal("p_static")),
    Injection("p_static_to_ground", (fault("p_static", "short", to="ground"),), of(STATIC, "blind"), heal("p_static")),
    Injection("p_static_to_rail", (fault("p_static", "short", to="rail"),), of(STATIC, "blind"), heal("p_static")),
    Injection("p_pump_open", (fault("p_pump", "open"),), of(PUMP), heal("p_pump")),
    Injection("p_pump_to_rail", (fault("p_pump", "short", to="rail"),), of(PUMP), heal("p_pump")),
    Injection("rail_wire_open", (fault("rail", "open"),), of(RAIL, COMMON, "blind"), heal("rail")),
    Injection("p_static_stuck", (fault("p_static", "stuck"),), of(STATIC, "blind"), (), (), {"stuck_s": 15}),
    Injection("p_pump_stuck", (fault("p_pump", "stuck"),), of(PUMP), (), (), {"stuck_s": 15}),
    Injection(
        "t_dome_stuck",
        (fault("t_dome", "stuck"), {"do": "load", "load_w": 1500}),
        of("sensor_fault_t_dome"),
    ),
    Injection("converter_off_the_bus", (fault("p_static", "nack"),), of(STATIC, PUMP, RAIL, "blind"), heal("p_static")),
    Injection("t_source_off_the_bus", (fault("t_source", "nack"),), of("sensor_fault_t_source"), heal("t_source")),
    Injection(
        "t_radiator_off_the_bus", (fault("t_radiator", "nack"),), of("sensor_fault_t_radiator"), heal("t_radiator")
    ),
    Injection("t_dome_off_the_bus", (fault("t_dome", "nack"),), of("sensor_fault_t_dome"), heal("t_dome")),
    Injection(
        "converter_never_ready", (fault("p_static", "never_ready"),), of(STATIC, PUMP, RAIL, "blind"), heal("p_static")
    ),
    Injection("t_dome_never_ready", (fault("t_dome", "never_ready"),), of("sensor_fault_t_dome"), heal("t_dome")),
    Injection("t_source_loses_power", (fault("t_source", "power_up"),), of("sensor_fault_t_source"), heal("t_source")),
    Injection("converter_loses_power", (fault("p_static", "power_up"),), of(STATIC, "blind"), heal("p_static")),
    Injection("bus_held_low", ({"do": "bus_stuck", "for_s": 12},), of(STATIC, PUMP, RAIL, "blind")),
    Injection("bus_held_by_a_chip", ({"do": "bus_stuck", "for_s": 300, "clocks_n": 9},), of()),
    Injection("rail_sags_to_4_3_v", ({"do": "rail", "volts": 4.3},), of(COMMON), ({"do": "rail", "volts": 5.0},)),
    Injection(
        "rail_sags_to_3_5_v",
        ({"do": "rail", "volts": 3.5},),
        of(COMMON, STATIC, PUMP, "blind"),
        ({"do": "rail", "volts": 5.0},),
    ),
    Injection("rail_rises_to_5_8_v", ({"do": "rail", "volts": 5.8},), of(COMMON), ({"do": "rail", "volts": 5.0},)),
    Injection(
        "gain_halves",
        ({"do": "adc_gain", "gain": 0.5},),
        of(COMMON, STATIC, PUMP, "blind"),
        ({"do": "adc_gain", "gain": 1.0},),
    ),
    Injection("gain_steps_by_15_percent", ({"do": "adc_gain", "gain": 0.85},), of(COMMON)),
    Injection(
        "gain_halves_and_the_rail_is_not_measured",
        ({"do": "adc_gain", "gain": 0.5},),
        of(COMMON, STATIC, PUMP, "blind"),
        ({"do": "adc_gain", "gain": 1.0},),
        RAIL_NOT_MEASURED,
    ),
    Injection(
        "gain_steps_by_15_percent_and_the_rail_is_not_measured",
        ({"do": "adc_gain", "gain": 0.85},),
        of(COMMON, STATIC, PUMP, "blind"),
        ({"do": "adc_gain", "gain": 1.0},),
        RAIL_NOT_MEASURED,
    ),
    Injection(
        "data_path_reads_zero",
        ({"do": "data_path"},),
        of(COMMON, STATIC, PUMP, "blind"),
        heal("p_static") + heal("p_pump"),
    ),
    Injection(
        "data_path_reads_the_room", ({"do": "data_path", "share": 0.262},), of(STATIC, "blind"), (), (), {"stuck_s": 15}
    ),
    Injection(
        "p_static_jumps_down", ({"do": "offset", "channel": "p_static", "offset_pa": -20_000},), of(STATIC, "blind")
    ),
    Injection(
        "p_static_jumps_up", ({"do": "offset", "channel": "p_static", "offset_pa": 20_000},), of(STATIC, "blind")
    ),
    Injection("spike_of_p_static", (fault("p_static", "spike", size_pa=-60_000.0),), of()),
    Injection("interference", ({"do": "emi", "channel": "p_static", "noise_pa": 3_000, "for_s": 20},), of()),
    Injection(
        "strong_interference",
        ({"do": "emi", "channel": "p_static", "noise_pa": 40_000, "for_s": 20},),
        of(STATIC, "blind"),
    ),
    Injection("mains_pickup", ({"do": "pickup", "channel": "p_static", "amplitude_pa": 5_000},), of()),
    Injection(
        "probe_of_the_dome_falls_out",
        ({"do": "probe_out", "channel": "t_dome"},),
        of("sensor_fault_t_dome"),
        ({"do": "probe_in", "channel": "t_dome"},),
    ),
    Injection(
        "probe_of_the_radiator_falls_out",
        ({"do": "probe_out", "channel": "t_radiator"},),
        of("sensor_fault_t_radiator"),
        ({"do": "probe_in", "channel": "t_radiator"},),
    ),
    Injection(
        "probe_of_the_source_falls_out",
        ({"do": "probe_out", "channel": "t_source"},),
        of("sensor_fault_t_source"),
        ({"do": "probe_in", "channel": "t_source"},),
        # 20 K above the room; less than 15 K are no faster than coolant can be.
        ("start.load_w=400",),
    ),
    Injection(
        "pressures_exchanged", ({"do": "exchange", "channels": ("p_static", "p_pump")},), of(PUMP, STATIC, "blind")
    ),
)
BY_NAME = {each.name: each for each in INJECTIONS}
