//! Sans-IO SIP: messages, framing, transactions, dialogs, offer/answer, digest.
