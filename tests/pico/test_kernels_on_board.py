"""The detector's kernels as machine code on the emulated board: the twin's result, in time, nothing allocated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loopwatch import bank, burst, estimate, residual
from loopwatch_host import firmware_build, firmware_constants, twin
from loopwatch_host.bench.pico import cycles, flash_image
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.commission import bursts, fit, thresholds

PACKAGE = Path(residual.__file__).parent
BUDGET_US = 1_000
ESTIMATE = np.array([500_000, *(100 * 2 ** (i // 3) for i in range(estimate.NOISE_N))], np.int32)

SETUP = """
from array import array
from loopwatch import residual, bank, estimate, burst
rs = array("i", bytes(4 * {r_n}))
bs = array("i", bytes(4 * {b_n}))
bs[bank.STARTED] = bank.SETTLED_S
us = array("i", bytes(4 * {u_n}))
out = array("i", bytes(4 * {o_n}))
rp = array("i", {rp})
bp = array("i", {bp})
up = array("i", {up})
ep = array("i", {ep})
x = array("i", {x})
picked = array("i", bytes(4 * bank.PICKED_N))
told = array("i", bytes(4 * estimate.OUT_N))
def second():
    residual.take(rs, rp, x)
    residual.gas(rs, rp, x)
    residual.weigh(rs, rp, out)
    bank.scale(bs, bp, out)
    return bank.judge(bs, bp, out[0])
def burst_step():
    return burst.step(us, up, x)
def tell():
    member = bank.pick(bs, bp, picked)
    estimate.estimate(picked, ep, told)
    return member
"""


def rows(rng: np.random.Generator) -> twin.Ints:
    """Seconds of a loop that leaks and whose pump stops, then any numbers at all."""
    calm = np.zeros((30, 6), np.int32)
    calm[:, 0] = 150_000 - 900 * np.arange(30) + rng.normal(0, 90, 30)
    calm[:, 1] = calm[:, 0] + 35_000 * (np.arange(30) < 10)
    calm[:, 2:5] = 30_000 + rng.integers(0, 4_000, (30, 3))
    return np.concatenate([calm, rng.integers(-(2**28), 2**28, (30, 6)).astype(np.int32)])


@pytest.fixture
def board(micropython_flash: bytes) -> tuple[Repl, Machine]:
    files = {
        path[:-3] + ".mpy": firmware_build.compile_module(PACKAGE.parent / path, path, emit)
        for path, emit in firmware_build.EMIT.items()
        if emit == "kernel"
    }
    files["loopwatch/__init__.py"] = b""
    files["loopwatch/port.py"] = (PACKAGE / "port.py").read_bytes()
    machine = Machine(bytes(flash_image.with_files(micropython_flash, files)))
    return Repl(machine), machine


@pytest.fixture
def parameters() -> tuple[twin.Ints, twin.Ints, twin.Ints]:
    rng = np.random.default_rng(7)
    shape = fit.Shape(gas_ul=150_000, p0_pa=150_000, head_pa=35_000, gas_c=30)
    weights = fit.Fit(rng.normal(0, 1, residual.FEATURE_N), -2_000.0, 4_000.0)
    bank_params = thresholds.unlimited(shape.gas_ul)
    bank_params[bank.HOLD_WEIGHTS : bank.GROUPS] = rng.integers(0, 16_384, bank.GROUP_N * bank.HOLD_N)
    bank_params[bank.LIMITS : bank.LIMITS + bank.MEMBER_N] = 2**20
    return fit.parameters(shape, weights), bank_params, bursts.parameters(shape, 250.0, 2.0, 0.0136)


def prepared(repl: Repl, parameters: tuple[twin.Ints, twin.Ints, twin.Ints], first: twin.Ints) -> None:
    rp, bp, up = (part.tolist() for part in parameters)
    sizes = {"r_n": residual.STATE_N, "b_n": bank.STATE_N, "u_n": burst.STATE_N, "o_n": residual.OUT_N}
    setup = SETUP.format(**sizes, rp=rp, bp=bp, up=up, ep=ESTIMATE.tolist(), x=first.tolist())
    repl.exec(firmware_constants.program(setup))


def test_machine_code_on_the_board_is_the_twin_to_the_bit(
    board: tuple[Repl, Machine], parameters: tuple[twin.Ints, twin.Ints, twin.Ints]
) -> None:
    repl, _ = board
    rp, bp, up = parameters
    x = rows(np.random.default_rng(8))
    prepared(repl, parameters, x[0])
    rs, bs = twin.residual_state(), twin.bank_state()
    bs[bank.STARTED] = bank.SETTLED_S
    picked, told = np.zeros(bank.PICKED_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    picked_n = 0
    us, out = np.zeros(burst.STATE_N, np.int32), np.zeros(residual.OUT_N, np.int32)
    for i, row in enumerate(x):
        if i % 4 == 0:  # as if the pump had stood for long, if it stands
            rs[residual.OFF_S] = 1_000
            repl.exec(f"rs[{residual.OFF_S}] = 1_000")
        answer = repl.exec(
            f"x = array('i', {row.tolist()})\nprint(second(), burst_step(), tell(), *out, *rs, *bs, *us, *told)"
        )
        twin.take(rs, rp, row)
        twin.gas(rs, rp, row)
        twin.weigh(rs, rp, out)
        twin.scale(bs, bp, out)
        expected = [twin.judge(bs, bp, out[0]), twin.burst_step(us, up, row), twin.pick(bs, bp, picked)]
        picked_n += expected[2] >= 0
        twin.estimated(picked, ESTIMATE, told)
        for part in (out, rs, bs, us, told):
            expected += part.tolist()
        assert [int(value) for value in answer.split()] == expected
    assert picked_n > 20
    assert rs[residual.HEAD_ZERO_ACC] != 0


def test_a_second_of_the_detector_is_within_its_budget_and_allocates_nothing(
    board: tuple[Repl, Machine], parameters: tuple[twin.Ints, twin.Ints, twin.Ints]
) -> None:
    repl, machine = board
    prepared(repl, parameters, rows(np.random.default_rng(9))[3])
    took = cycles.count(repl, machine, "second()")
    assert 0 < cycles.microseconds(max(took)) <= BUDGET_US
    measure = "import gc\ngc.collect()\nbefore = gc.mem_alloc()\nsecond()\nprint(gc.mem_alloc() - before)"
    assert int(repl.exec(measure)) == 0
