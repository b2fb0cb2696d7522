"""The records between board and laptop: the one table from which encoder, decoder, columns and documents are derived.

The board needs it while it starts, to count fields and to tell its CRC, and gives its memory back after that.
"""

_CHANNEL_FIELDS = (
    ("p_static_pa", "absolute pressure at the expansion vessel"),
    ("p_pump_pa", "absolute pressure at the pump's discharge"),
    ("t_source_mdegc", "temperature of the heat source's coolant"),
    ("t_radiator_mdegc", "temperature of the radiator's coolant"),
    ("t_dome_mdegc", "temperature of the vessel's gas dome"),
    ("rail_mv", "5 V supply of the transducers"),
    ("status_bits", "status of the six channels above, 4 bits each, first lowest"),
)

# (letter, name, what it tells, ((field, what it is), ...)). Append fields, never reorder or reuse.
KINDS = (
    (
        "B",
        "boot",
        "first line after a start",
        (
            ("fw_major_n", "firmware version"),
            ("fw_minor_n", ""),
            ("fw_patch_n", ""),
            ("protocol_n", "version of this table"),
            ("protocol_crc_hi", "CRC-32 of this table, upper 16 bits"),
            ("protocol_crc_lo", "lower 16 bits"),
            ("board_id_w0", "unique id of the board, most significant 16 bits first"),
            ("board_id_w1", ""),
            ("board_id_w2", ""),
            ("board_id_w3", ""),
            ("reset_cause_n", "1 power on, 2 reset by software or pin, 3 watchdog"),
            ("config_crc_hi", "CRC-32 of the configuration in force"),
            ("config_crc_lo", ""),
            ("not_monitoring_n", "0 monitoring, else the reason why not"),
            ("period_ms", "time between samples"),
            ("run_n", "number of this start of the board, 1 to 9999 and around"),
            ("before_seq", "latest event of earlier starts, 0 if none"),
        ),
    ),
    ("S", "sample", "every sample, 10 a second", _CHANNEL_FIELDS + (("late_n", "deadlines met late since start"),)),
    (
        "M",
        "mean",
        "trimmed mean of one second",
        _CHANNEL_FIELDS + (("used_n", "samples with a usable p_static in it"),),
    ),
    (
        "D",
        "decision",
        "what the detector makes of each second",
        (
            ("residual_ul", "coolant inventory against the baseline; negative is lost"),
            ("evidence_seep_permille", "evidence over threshold of a leak below 1 mL/min; 1000 alarms"),
            ("evidence_leak_permille", "of a leak up to 30 mL/min"),
            ("evidence_rupture_permille", "of more than that"),
            ("rate_ul_h", "leak rate, while there is evidence"),
            ("rate_low_ul_h", "the rate's 95 % interval: from"),
            ("rate_high_ul_h", "to"),
            ("lost_ul", "coolant lost since the evidence began"),
            ("time_left_s", "until the pump's reserve is used up at this rate"),
            (
                "state_bits",
                "1 pump running, 2 baseline settled, 4 commissioned, 8 blind, 16 wide limits, 32 start-up inhibit, "
                "64 service, 128 proof test, 256 watch only, 512 a thermometer is not used, 1024 beyond the log of "
                "commissioning",
            ),
            ("noise_ul", "rms of the residual's white noise"),
        ),
    ),
    (
        "V",
        "evidence",
        "each second, of a commissioned board: every member of its bank, in thousandths of its limit",
        tuple(("member_" + str(i) + "_permille", "" if i else "bank's members in their order") for i in range(12))
        + (("burst_permille", "the 10 Hz path"),),
    ),
    (
        "E",
        "event",
        "an alarm or a mode changed",
        (
            ("event_n", "what happened: 1 alarm, 2 mode, 3 command"),
            ("subject_n", "which alarm, mode or command"),
            ("state_n", "its new state"),
            ("priority_n", "1 urgent to 4 advisory"),
            ("value", "the figure behind it, in the unit of the alarm's table row"),
            ("run_n", "number of the start in which it happened"),
        ),
    ),
    (
        "H",
        "heartbeat",
        "once a second, whatever happens",
        (
            ("uptime_s", "since start"),
            ("sample_n", "samples taken"),
            ("late_n", "deadlines met late"),
            ("dropped_n", "lines given up because nobody read"),
            ("bus_error_n", "failed transfers on the sensor bus"),
            ("bad_command_n", "commands refused"),
            ("heap_free_n", "bytes"),
            ("ne107_n", "0 good, 1 maintenance required, 2 out of specification, 3 function check, 4 failure"),
            ("alarm_bits", "alarms not in the normal state, by their place in the alarm table"),
            ("event_seq", "sequence number of the latest event, 0 if none"),
        ),
    ),
)
