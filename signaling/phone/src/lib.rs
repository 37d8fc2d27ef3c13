//! A sans-IO phone, for the phone command, load and simulation.
