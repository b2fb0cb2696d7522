"""Scenario files and recordings: what they may say, and how plainly they are refused."""

from pathlib import Path

import pytest

from loopwatch_host.bench.recording import Recording, RecordingError
from loopwatch_host.bench.scenario import (
    BUILT_IN,
    EVENT_NAMES,
    Column,
    Leak,
    Scenario,
    ScenarioError,
    load_scenario,
    scenario_names,
)

HEAD = 'name = "mine"\ntitle = "a test"\nduration_s = 10\n'


@pytest.fixture
def load(tmp_path: Path):
    """Loads the text after HEAD as a scenario file."""

    def from_text(text: str, *settings: str, head: str = HEAD) -> Scenario:
        path = tmp_path / "mine.toml"
        path.write_text(head + text, encoding="utf-8")
        return load_scenario(path, settings)

    return from_text


def refusal(load, text: str, *settings: str, head: str = HEAD) -> str:
    """What is said about a scenario that is refused."""
    with pytest.raises(ScenarioError) as caught:
        load(text, *settings, head=head)
    return str(caught.value)


def test_every_built_in_scenario_loads_and_bears_its_files_name():
    assert {"demo", "pinhole", "quiet", "burst", "unplugged", "shorted", "power_up_value", "skab"} <= set(
        scenario_names()
    )
    for name in scenario_names():
        assert load_scenario(name).name == name


def test_the_scenarios_people_are_promised_have_their_figures():
    pinhole = load_scenario("pinhole")
    (leak,) = pinhole.events
    assert isinstance(leak, Leak)
    assert (leak.hole_mm, leak.at_s, leak.point, pinhole.expect.detect_within_s) == (0.3, 60, "static", 30)
    for name in ("demo", "pinhole", "burst"):
        assert load_scenario(name).loop.pressure_pa - load_scenario(name).loop.atmosphere_pa == 50_000
    quiet = load_scenario("quiet")
    assert quiet.duration_s == 3600
    assert quiet.expect.no_leak
    assert {"load", "pump", "ambient"} == {event.do for event in quiet.events}


def test_what_a_file_leaves_out_has_the_defaults_of_the_bench(load):
    scenario = load("")
    assert scenario.loop.liquid_ml == 2000
    assert scenario.sensors.p_static.noise_pa == 250
    assert scenario.events == ()
    assert scenario.seed == 1


def test_a_figure_of_the_file_replaces_the_default(load):
    scenario = load("[loop]\ngas_ml = 300\n[sensors.t_dome]\nlag_s = 3\n")
    assert (scenario.loop.gas_ml, scenario.sensors.t_dome.lag_s) == (300, 3)
    assert scenario.loop.liquid_ml == 2000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 3", "mine.toml: colour: no such key"),
        ("[loop]\ngas = 300", "mine.toml: loop.gas: no such key"),
        ("[loop]\ngas_ml = -1", "mine.toml: loop: gas_ml = -1.0: must be above zero"),
        ("[sensors.t_dome]\nlag = 3", "mine.toml: sensors.t_dome.lag: no such key"),
        ('[[event]]\nat_s = 1\ndo = "leak"\nrate = 3', "mine.toml: event[0].rate: no such key"),
        ('[[event]]\nat_s = 1\ndo = "leak"', "event[0]: a leak has either rate_ml_h or hole_mm"),
        ('[[event]]\nat_s = 1\ndo = "leak"\nhole_mm = 1\nrate_ml_h = 1', "either rate_ml_h or hole_mm"),
        ('[[event]]\nat_s = 1\ndo = "leek"', "event[0]: do = 'leek' is not an event: one of load, pump,"),
        ("[[event]]\nat_s = 1", "event[0]: do is missing"),
        ('[[event]]\nat_s = -1\ndo = "leak_stop"', "event[0].at_s: input should be greater than or equal to 0"),
        ('[[event]]\nat_s = 1\ndo = "pump"\nspeed = 2', "event[0].speed: input should be less than or equal to 1"),
        ("[expect]\ndetect_within_s = 30", "expect.detect_within_s without a leak event"),
        ('[[event]]\nat_s = 1\ndo = "leak"\nhole_mm = 1\n[expect]\nno_leak = true', "beside a leak event"),
        ('[expect]\nalarms_never = ["leek"]', "the board has no alarm 'leek': its alarms are leak, blind,"),
        ('[[event]]\nat_s = 1\ndo = "load"\nload_w = 1\n[duty]\n', "overruled by [duty]"),
        ("[board]\ngas_l = 3", "board: gas_l: not in config.TABLE"),
        ("[board]\ngas_ul = 3", "board: gas_ul=3: must be 5000 to 2000000"),
        ("[board]\nfitted_bits = 3", "board.fitted_bits follows from the sensors"),
        ("[loop\n", "is not TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_file_and_key(load, text: str, said: str):
    assert said in refusal(load, text)


def fault(**keys: str | float) -> str:
    """A sensor_fault event as TOML."""
    lines = [f"{key} = {value!r}" for key, value in {"at_s": 1, "do": "sensor_fault", **keys}.items()]
    return "[[event]]\n" + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (fault(channel="t_dome", kind="open"), "t_dome is a chip on the bus and has no analog wire: use nack"),
        (fault(channel="p_ump", kind="nack"), "event[0].channel: input should be 'p_static'"),
        (fault(channel="p_pump", kind="spike"), "has a size_pa"),
        (fault(channel="p_pump", kind="nack", size_pa=3), "belong to a spike"),
        (fault(channel="p_pump", kind="open", to="rail"), "to belongs to a short"),
        (fault(channel="rail", kind="short", to="rail"), "no fault"),
        ("[sensors.t_dome]\nfitted = false\n" + fault(channel="t_dome", kind="nack"), "t_dome, which is not fitted"),
    ],
)
def test_a_sensor_fault_that_cannot_happen_is_refused(load, text: str, said: str):
    assert said in refusal(load, text)


def test_all_findings_of_a_file_are_told_at_once(load):
    said = refusal(load, 'colour = 3\n[[event]]\nat_s = 1\ndo = "pump"\nspeed = 2').splitlines()
    assert len(said) == 2


def test_a_scenario_without_an_end_needs_a_recording(load):
    assert "duration_s is missing" in refusal(load, "", head='name = "mine"\ntitle = "a test"\n')


def test_settings_replace_what_the_file_says(load):
    text = '[[event]]\nat_s = 1\ndo = "leak"\nrate_ml_h = 10\n'
    scenario = load(text, "loop.gas_ml=300", "event.0.rate_ml_h=60", "title=another one", "seed=9")
    (leak,) = scenario.events
    assert isinstance(leak, Leak)
    assert (scenario.loop.gas_ml, leak.rate_ml_h, scenario.title, scenario.seed) == (300, 60, "another one", 9)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("loop.gas_ml", "write it as key=value"),
        ("event.4.at_s=3", "there is no event.4.at_s"),
        ("title.x=3", "there is no title.x"),
        ("loop.gas=3", "loop.gas: no such key"),
    ],
)
def test_a_setting_that_fits_nowhere_is_refused(load, setting: str, said: str):
    assert said in refusal(load, '[[event]]\nat_s = 1\ndo = "leak_stop"\n', setting)


def test_an_unknown_name_lists_the_built_in_scenarios():
    with pytest.raises(ScenarioError, match=r"no scenario 'demoo': built in are burst, demo, "):
        load_scenario("demoo")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario("not/here.toml")


def test_the_board_is_told_what_is_fitted_and_its_span(load):
    text = "[sensors.p_pump]\nfitted = false\n[sensors.p_static]\nspan_pa = 300000\n[board]\ngas_ul = 90000\n"
    config = load(text).board_config()
    # Channels of sample.CHANNELS from bit 0 on, p_pump is bit 1.
    assert config["fitted_bits"] == 0b111101
    assert config["p_static_span_pa"] == 300_000
    assert config["gas_ul"] == 90_000


def test_every_event_can_be_written_in_a_file(load):
    keys = {
        "load": "load_w = 1",
        "pump": "speed = 1",
        "ambient": "ambient_c = 20",
        "leak": "hole_mm = 1",
        "refill": "volume_ml = 1",
        "withdraw": "volume_ml = 1",
        "sensor_fault": 'channel = "p_static"\nkind = "short"',
        "sensor_heal": 'channel = "p_static"',
        "pickup": 'channel = "p_static"\namplitude_pa = 500',
        "emi": 'channel = "p_static"\nnoise_pa = 500\nfor_s = 1',
        "rail": "volts = 4.5",
        "bus_stuck": "for_s = 1",
        "adc_gain": "gain = 0.5",
        "probe_out": 'channel = "t_dome"',
        "probe_in": 'channel = "t_dome"',
        "exchange": 'channels = ["p_static", "p_pump"]',
        "offset": 'channel = "p_static"\noffset_pa = 500',
        "command": 'text = "*IDN?"',
    }
    text = "".join(f'[[event]]\nat_s = 1\ndo = "{name}"\n{keys.get(name, "")}\n' for name in EVENT_NAMES)
    assert [event.do for event in load(text).events] == list(EVENT_NAMES)


def test_the_built_in_files_name_nothing_outside_themselves():
    assert not [path for path in BUILT_IN.glob("*.toml") if "\npath" in path.read_text(encoding="utf-8")]


ROWS = (
    "datetime;Pressure;Fluid\n2020-02-08 13:30:47;0.25;20\n2020-02-08 13:30:49;;21\n2020-02-08 13:30:50.500;-0.1;nan\n"
)


def play(tmp_path: Path, text: str = ROWS, time_column: str = "datetime", scale_s: float = 1.0) -> Recording:
    """A recording of this text: bar, relative, becomes Pa absolute."""
    path = tmp_path / "log.csv"
    path.write_text(text, encoding="utf-8")
    columns = {
        "p_static": Column(column="Pressure", scale=1e5, offset=101_325),
        "t_source": Column(column="Fluid"),
    }
    return Recording(path, columns, time_column, ";", scale_s)


def test_a_row_holds_until_the_next_and_an_empty_cell_keeps_the_value_before(tmp_path: Path):
    recording = play(tmp_path)
    assert (recording.row_n, recording.duration_s) == (3, 3.5)
    courses = {t_s: recording.at(t_s) for t_s in (0, 1.9, 2, 3.4, 3.5, 99)}
    assert [row["p_static"] for row in courses.values()] == [126_325, 126_325, 126_325, 126_325, 91_325, 91_325]
    assert [row["t_source"] for row in courses.values()] == [20, 20, 21, 21, 21, 21]


def test_time_may_be_a_number_in_any_unit(tmp_path: Path):
    recording = play(tmp_path, "t_ms;Pressure;Fluid\n5000;1;20\n6500;2;20\n", "t_ms", 0.001)
    assert recording.duration_s == 1.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datetime;Druck;Fluid\n", "has no column 'Pressure': it has datetime, Druck, Fluid"),
        ("datetime;Pressure;Fluid\n", "has no rows to play"),
        ("datetime;Pressure;Fluid\nnoon;1;2\n", "line 2: 'noon' is neither a number nor an ISO date"),
        ("datetime;Pressure;Fluid\n1;x;2\n", "line 2, Pressure: 'x' is not a number"),
        ("datetime;Pressure;Fluid\n1;;2\n", "empty in the first row"),
        ("datetime;Pressure;Fluid\n1;1;2\n0;1;2\n", "line 3: its time is before the line above"),
        ("", "has no column 'datetime': it has none"),
    ],
)
def test_a_recording_that_cannot_be_played_says_why(tmp_path: Path, text: str, said: str):
    with pytest.raises(RecordingError) as caught:
        play(tmp_path, text)
    assert said in str(caught.value)


def test_a_recording_that_is_not_there_or_not_text_says_so(tmp_path: Path):
    with pytest.raises(RecordingError, match="cannot be read"):
        Recording(tmp_path / "nothing.csv", {}, "t_ms")
    (tmp_path / "zip").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(RecordingError, match="is not text"):
        Recording(tmp_path / "zip", {}, "t_ms")
