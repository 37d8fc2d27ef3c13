//! What happens at the application's side of a stream, on the virtual clock.

use call::relay::Making;

/// What an application, or the voice of a relay, does some time after it got a message.
#[derive(Clone, Debug)]
pub enum Act {
    /// Its answer to the handshake is here.
    Opens,
    Says(String),
    /// A binary message.
    SaysBinary,
    Closes,
    /// Its connection breaks.
    Vanishes,
    /// The voice made audio of the order with this number.
    Makes(u64, Making),
}
