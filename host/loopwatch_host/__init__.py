"""The laptop's half of loopwatch: hears the board, keeps what it says, and shows it."""
