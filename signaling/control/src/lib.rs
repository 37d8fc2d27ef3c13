//! The composed machine: one UserAgent, all Calls, the bridges between them.
