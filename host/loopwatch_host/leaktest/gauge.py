"""What the test knows of the loop under it: how many millilitres a pressure means, and what warmth does to them.

Nothing here comes from the loops that the test is judged on: expansions are the span of coolants, volumes what a person
types, with the error that such figures have.
"""

from __future__ import annotations

from dataclasses import dataclass

ZERO_C_K = 273.15

# Expansion of coolants between 10 and 45 °C, 1/K: water 0.9e-4 to 4.2e-4, 30 % propylene glycol 4.3e-4, 50 % ethylene
# glycol 5.2e-4 to 6.4e-4 (densities: CRC Handbook for water, MEGlobal's and Dow's tables for glycols).
EXPANSION_K = 4.2e-4
EXPANSION_SD_K = 1.4e-4


@dataclass(frozen=True)
class Gauge:
    """Volumes of the loop, and how sure they are.

    liquid_ml: coolant. gas_ml: gas in the vessel when it is filled. gas_error: of it, relative, one sigma. hose_ml_bar:
    what hoses and vessel give way to pressure, known to its own size.
    """

    liquid_ml: float = 2000.0
    gas_ml: float = 150.0
    gas_error: float = 0.05

    @property
    def hose_ml_bar(self) -> float:
        """Silicone and rubber hoses: about 1 mL/bar per litre of loop, between nothing and twice that."""
        return self.liquid_ml / 1000

    @property
    def tank_lag_s(self) -> float:
        """How far tank and lines are behind the radiator: seven tenths of the loop at 2 L/min, to a factor of two."""
        return 0.7 * self.liquid_ml / 2000 * 60

    def pa_s_of(self, ml_h: float, p_pa: float) -> float:
        """The pressure decay that a leak of this rate makes at p_pa, in Pa/s: dP = P dV / (V + C P)."""
        return ml_h / 3600 * p_pa / (self.gas_ml + self.hose_ml_bar * p_pa / 1e5)

    def ml_h_of(self, pa_s: float, p_pa: float) -> float:
        """The leak that makes this pressure decay at p_pa."""
        return pa_s / self.pa_s_of(1.0, p_pa)
