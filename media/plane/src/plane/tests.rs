//! Behaviours of a whole core.
