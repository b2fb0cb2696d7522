"""Vectors for the detector's kernels, and the kernels run over them on any int32 memory.

Used by the tests that hold the engines against each other. The same file runs on MicroPython: no numpy in `run`.
"""

from loopwatch import bank, residual

STOOD_S = 1_000  # the pump, as every 16th second has it: what goes on while it stands is then seen within minutes


def run(x, residual_params, bank_params, number=None):
    """Run both kernels over rows of x; returns one flat list: residual, alarms, and all state every 16th second."""
    make = number or int
    residual_state = [make(0)] * residual.STATE_N
    bank_state = [make(0)] * bank.STATE_N
    bank_state[bank.STARTED] = make(bank.SETTLED_S)  # evidence counts from the first row
    out = [make(0)] * residual.OUT_N
    results = []
    for i in range(len(x)):
        residual.take(residual_state, residual_params, x[i])
        residual.gas(residual_state, residual_params, x[i])
        results.append(residual.weigh(residual_state, residual_params, out))
        bank.scale(bank_state, bank_params, out)
        results.append(bank.judge(bank_state, bank_params, out[0]))
        if i % 16 == 15:
            results.extend(out)
            results.extend(residual_state)
            results.extend(bank_state)
            residual_state[residual.OFF_S] = make(STOOD_S)
    return results
