//! Counters of the user agent. Whatever is dropped or refused moves one of them. Sans-IO.

/// Counts since the start. One writer; the gateway copies them out for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UaMeters {
    /// Requests read, ACK and copies included.
    pub requests_received: u64,
    /// Responses read.
    pub responses_received: u64,
    /// Messages sent, copies included.
    pub messages_sent: u64,
    /// Retransmissions sent. Rising: loss on the path, or a slow peer.
    pub retransmissions_sent: u64,
    /// Copies of requests that ended in their transaction.
    pub retransmissions_absorbed: u64,
    /// Large answers that were forgotten before the last copy of their request could arrive.
    pub answers_forgotten: u64,
    /// CRLFs and empty datagrams that keep a path open.
    pub keep_alives: u64,
    /// Pings sent on connections that we opened.
    pub pings_sent: u64,
    /// INVITEs that went by TCP because they are too large for a datagram.
    pub sent_by_tcp_for_size: u64,
    /// Requests that broke a rule and were answered 4xx or 5xx at once.
    pub broken_answered: u64,
    /// Messages that broke a rule and were dropped: responses, ACK, no readable Via.
    pub broken_dropped: u64,
    /// Messages of sources past their budget that got no 4xx.
    pub strays_dropped: u64,
    /// Requests dropped unread: their source exceeded its limit and is blocked for a while.
    pub held_dropped: u64,
    /// Connections that the user agent closed: broken framing, slowness, floods, idleness.
    pub connections_closed: u64,
    /// Responses that match none of our transactions.
    pub responses_stray: u64,
    /// ACKs that match neither transaction nor dialog, those for stateless refusals among them.
    pub acks_stray: u64,
    /// Requests in an unknown dialog: 481.
    pub dialogs_unknown: u64,
    /// CANCELs of an unknown INVITE: 481.
    pub cancels_unknown: u64,
    /// Requests in a dialog whose CSeq did not rise: 500.
    pub out_of_order: u64,
    /// Requests in a dialog with a method that is not served: 405 or 501.
    pub methods_refused: u64,
    /// Challenges sent.
    pub challenges_sent: u64,
    /// Requests refused without state, challenges aside.
    pub refused_stateless: u64,
    /// Requests that a rule leaves without any answer.
    pub silent: u64,
    /// Requests refused for want of room in the transaction table: 503.
    pub transactions_refused: u64,
    /// Commands that named a session that is gone, or one in a state that cannot do it.
    pub commands_ignored: u64,
    /// Headers of the layer above that may not stand in a message.
    pub headers_refused: u64,
    /// Sends that failed in the shell.
    pub sends_failed: u64,
    /// Client transactions without a final response.
    pub timeouts: u64,
    /// Failovers: destinations left for the next one.
    pub failovers: u64,
    /// 2xx without an ACK within 64·T1.
    pub acks_missing: u64,
    /// 2xx of forks that came too late: acknowledged and ended.
    pub forks_ended: u64,
    /// Our requests outside of dialogs that were not sent: too many at once, or no destination.
    pub requests_refused: u64,
    /// Our requests outside of dialogs without a final response now.
    pub requests: u64,
    /// Server transactions now.
    pub server_transactions: u64,
    /// Client transactions now.
    pub client_transactions: u64,
    /// Sessions now.
    pub sessions: u64,
    /// Open TCP and TLS connections now.
    pub connections: u64,
}
