"""Hardware in the loop: one bench for every target, its traces, and the page that shows them."""
