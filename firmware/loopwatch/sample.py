"""One sample of the loop: a value and a status for every channel.

A reading is never a magic number. When a channel has no value its status says
why, the value is not to be read, and on the wire and in CSV its field is empty.
"""

from array import array

from .kernels import pack
from .port import const

# Channels, in the order of the wire, the CSV columns and the plot's legend.
P_STATIC = const(0)
P_PUMP = const(1)
T_SOURCE = const(2)
T_RADIATOR = const(3)
T_DOME = const(4)
RAIL = const(5)
CHANNEL_N = const(6)

CHANNELS = ("p_static_pa", "p_pump_pa", "t_source_mdegc", "t_radiator_mdegc", "t_dome_mdegc", "rail_mv")

# Status of one channel. Up to SPEC_HIGH the value is usable; from ABSENT on there is none.
GOOD = const(0)
SPEC_LOW = const(1)
SPEC_HIGH = const(2)
ABSENT = const(3)
STARTING = const(4)
STALE = const(5)
NO_ANSWER = const(6)
TIMEOUT = const(7)
OPEN = const(8)
SHORT = const(9)
REFERENCE = const(10)
STUCK = const(11)
MOVED = const(12)
CONTRADICTS = const(13)
NOISY = const(14)

STATUS_NAMES = (
    "good",  # inside the sensor's signal band
    "spec_low",  # below the signal band but not yet a fault (4-10 % of the supply)
    "spec_high",  # above the signal band but not yet a fault (90-96 % of the supply)
    "absent",  # not fitted, by configuration
    "starting",  # nothing measured since start; a power-up value was refused
    "stale",  # last reading too old
    "no_answer",  # the chip did not acknowledge on the bus
    "timeout",  # the chip answers but a conversion never became ready
    "open",  # below 4 % of the supply: broken wire, or shorted to ground
    "short",  # above 96 % of the supply: shorted to it
    "reference",  # the 5 V rail that the reading is divided by is unusable
    "stuck",  # it does not move where what it measures must
    "moved",  # it moved faster than what it measures can: out of its pocket
    "contradicts",  # it cannot be, by the other channels or by physics
    "noisy",  # it jumps about more than a loop does: interference, a loose contact
)

STATUS_BITS = const(4)
STATUS_MASK = const(15)


def usable(status: int) -> bool:
    """Whether a channel of this status carries a value."""
    return status <= SPEC_HIGH


def faulty(status: int) -> bool:
    """Whether this status is a fault to be told to people: fitted, started, and without a value."""
    return status >= STALE


class Sample:
    """The channels at one moment.

    values: int32 per channel, in the unit that the channel's name ends with.
    status: one status code per channel; see usable().
    seq: counts samples since start, wrapping at 2**30. t_ms: board time of the sample.
    late_n: deadlines met late since start.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.t_ms = 0
        self.late_n = 0
        self.values = array("i", bytes(4 * CHANNEL_N))
        self.status = bytearray(CHANNEL_N)
        for channel in range(CHANNEL_N):
            self.status[channel] = STARTING

    def status_bits(self) -> int:
        """All statuses in one integer, four bits each, channel 0 lowest."""
        return pack(self.status, CHANNEL_N, STATUS_BITS)  # 24b
