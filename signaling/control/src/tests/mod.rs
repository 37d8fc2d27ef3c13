//! Control as a whole, told values and asked for effects: no sockets, no clock.

mod admission;
mod calls;
mod outbound;
mod rig;
