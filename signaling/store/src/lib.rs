//! Stored things as types: resources, snapshot, change, outcome.
