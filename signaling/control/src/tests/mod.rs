//! Control as a whole, told values and asked for effects: no sockets, no clock.

mod admission;
mod calls;
mod conferences;
mod descriptions;
mod explain;
mod hops;
mod invariants;
mod late_offer;
mod linked;
mod live_recordings;
mod meetings;
mod numbers;
mod outbound;
mod overload;
mod owed_callbacks;
mod queues;
mod recognition;
mod registrar;
mod rig;
mod secure;
mod siprec;
mod take_over;
mod trunks;
mod truth;
mod validation;
