//! Every bound in one place (limits-and-rules: default, and what happens past it).
//!
//! A constant here is a default or a hard cap; where a setting overrides it, the setting's doc
//! says so. Relations between limits are asserted at compile time at the end of this file.

/// SIP start line, bytes. Past it: 414, or 400 when it cannot be read.
pub const SIP_START_LINE_BYTES_MAX: usize = 2 * 1024;
/// One SIP URI, bytes. Past it: 414 in a Request-URI, else 400.
pub const SIP_URI_BYTES_MAX: usize = 1024;
/// Parameters of one SIP URI.
pub const SIP_URI_PARAMETERS_MAX: usize = 32;
/// SIP header section, bytes. Past it: 400; on a stream also close.
pub const SIP_HEADERS_BYTES_MAX: usize = 24 * 1024;
/// Header lines before unfolding.
pub const SIP_HEADER_LINES_MAX: usize = 256;
/// Values of one header name.
pub const SIP_HEADER_VALUES_MAX: usize = 128;
/// Bytes of one header value.
pub const SIP_HEADER_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an `Identity`, `Authorization` or `Proxy-Authorization` value.
pub const SIP_LONG_HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a header name. RFC 4475 §3.1.1.7 has one of 94 that must be taken.
pub const SIP_HEADER_NAME_BYTES_MAX: usize = 128;
/// `Via` values: one for each hop that the usual `Max-Forwards: 70` allows. RFC 4475 §3.1.1.7 has 34.
pub const SIP_VIA_MAX: usize = 70;
/// `Route` values, and `Record-Route` values.
pub const SIP_ROUTE_MAX: usize = 20;
/// SIP body, bytes. Past it: 413.
pub const SIP_BODY_BYTES_MAX: usize = 48 * 1024;
/// Parts of one multipart body. Past it: 400.
pub const SIP_MULTIPART_PARTS_MAX: usize = 8;
/// Multipart bodies inside each other, the outermost included. Past it: 415.
pub const SIP_MULTIPART_DEPTH_MAX: usize = 3;
/// Whole SIP message, bytes: header section and body may not both be as long as each may be alone. Past it: 513.
pub const SIP_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a refused body that are read past, so that the next message can be read; and bytes that are
/// read from a stream that broke a rule of framing, so that the peer can read the answers before it closes.
/// Past it: closed.
pub const SIP_STREAM_DRAIN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of messages that are not whole yet, of all streams together. Past it: the stream that
/// would add more is closed.
pub const SIP_STREAMS_UNFINISHED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Milliseconds from the opening of a stream to its first whole message. Past it: close.
pub const SIP_STREAM_FIRST_MESSAGE_MS: u64 = 10_000;
/// Milliseconds for a header section from its first byte. Past it: close.
pub const SIP_STREAM_HEADERS_MS: u64 = 10_000;
/// Milliseconds for a body from the end of its headers. Past it: close.
pub const SIP_STREAM_BODY_MS: u64 = 10_000;
/// Milliseconds that a stream from which nothing more is read stays open for the answers to what came
/// before: as long as an INVITE may wait for its final response at a peer that hears nothing (RFC 3261
/// timer B). Past it: closed.
pub const SIP_STREAM_BROKEN_MS: u64 = 32_000;
/// A stream that brings nothing and carries no call, milliseconds. Past it: closed.
pub const SIP_STREAM_IDLE_MS: u64 = 60_000;
/// The same of a stream whose peer keeps it alive by pings (RFC 5626 §4.4.1).
pub const SIP_STREAM_IDLE_KEPT_ALIVE_MS: u64 = 180_000;
/// From the opening of a stream of ours to the first ping on it, milliseconds.
pub const SIP_STREAM_PING_FIRST_MS: u64 = 10_000;
/// From one ping on a stream of ours to the next, milliseconds.
pub const SIP_STREAM_PING_EVERY_MS: u64 = 30_000;
/// Pings of a peer on one stream in ten seconds. Past it: closed.
pub const SIP_STREAM_PINGS_MAX: u32 = 100;
/// From a ping to the end of the patience for its answer, milliseconds (RFC 5626 §4.4.1). Past it a
/// peer that answered before is taken for gone: the stream is closed.
pub const SIP_STREAM_PONG_MS: u64 = 10_000;

/// Streams in all (`sip.streams_max`). Past it: accepted and closed, others unharmed.
pub const STREAMS_MAX: usize = 20_000;
/// Streams of one source that nothing vouches for (`sip.streams_source_max`).
pub const STREAMS_SOURCE_MAX: usize = 100;
/// Bytes waiting to be written to one stream. Past it: the stream is closed.
pub const STREAM_WRITE_QUEUE_BYTES_MAX: usize = 256 * 1024;
/// Bytes waiting to be written to all streams. Past it: the stream that would add more is closed.
pub const STREAM_WRITE_QUEUES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// An accepted stream that has sent nothing for so long, milliseconds: closed.
pub const STREAM_SILENT_MS: u32 = 10_000;
/// TLS that has not agreed on keys after so long, milliseconds: closed.
pub const STREAM_HANDSHAKE_MS: u32 = 5_000;
/// Streams of one source that have not agreed on TLS keys. Past it: accepted and closed.
pub const STREAM_HANDSHAKES_SOURCE_MAX: usize = 20;
/// A stream that takes nothing of what waits to be written for so long, milliseconds: closed.
pub const STREAM_STALLED_MS: u32 = 10_000;
/// Sources whose streams something vouches for, at most; past it the limit binds the new ones.
pub const STREAM_SOURCES_VOUCHED_MAX: usize = 100_000;
/// A connection of ours that has not come about, milliseconds: failed.
pub const STREAM_CONNECT_MS: u32 = 5_000;

/// SDP bytes. Past it: 488.
pub const SDP_BYTES_MAX: usize = 32 * 1024;
/// SDP lines. Past it: 488.
pub const SDP_LINES_MAX: usize = 2_048;
/// Bytes of one SDP line that is read. Past it: 488; lines that nobody reads are skipped.
pub const SDP_LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a media type, a transport, a format or a host name in SDP. Past it: 400.
pub const SDP_WORD_BYTES_MAX: usize = 255;
/// Media descriptions: an answer has as many. Past it: 488.
pub const SDP_MEDIA_MAX: usize = 32;
/// Formats kept of one audio section. Past it: the first count.
pub const SDP_FORMATS_MAX: usize = 64;
/// Attributes kept of one audio section, and of the session: two for each format, and as many for keys and
/// the rest. Past it: the first count.
pub const SDP_ATTRIBUTES_MAX: usize = 256;
/// `c=` lines kept of one audio section. Past it: the first count.
pub const SDP_CONNECTIONS_MAX: usize = 8;

/// Milliseconds in which the target of an INVITE must say something, 100 at least (`sip.silence_s`).
/// Past it: the next target, or the call fails.
pub const SIP_SILENCE_MS: u64 = 4_000;
/// Server transactions in all. Past it: 503 with Retry-After.
pub const SERVER_TRANSACTIONS_MAX: usize = 1_000_000;
/// Memory of one that has answered and only waits for copies of its request, bytes. A refused INVITE
/// waits for its ACK first: till then it is whole, for it is repeated.
pub const SERVER_TRANSACTION_ENDED_BYTES_MAX: usize = 256;
/// Memory of those answers of ended ones that are larger, all together (a REGISTER's contacts, the
/// SDP of an UPDATE), bytes. Past it the oldest are forgotten: copies of their requests get nothing.
pub const SERVER_ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests of one user agent outside of dialogs (REGISTER, OPTIONS) that wait for a response at
/// once. Past it: 503 to whoever wanted it, nothing is sent.
pub const SIP_REQUESTS_MAX: usize = 10_000;
/// Server transactions of one source that nothing vouches for.
pub const SERVER_TRANSACTIONS_SOURCE_MAX: usize = 2_000;
/// Requests a second of a source that nothing vouches for, in the long run.
pub const STRANGER_REQUESTS_A_SECOND: u64 = 50;
/// Requests of such a source at once. Past it: it is challenged only, no credentials are looked at.
pub const STRANGER_BURST: u64 = 200;
/// Requests past the burst that are challenged. Past it: dropped for [`STRANGER_HELD_S`], counted.
pub const STRANGER_CHALLENGED: u64 = 100;
/// How long a source that asked too much is not heard, seconds.
pub const STRANGER_HELD_S: u64 = 10;
/// How long a right digest or an IP list vouches for a source, seconds.
pub const VOUCHED_S: u64 = 600;
/// Sources remembered, vouched for and strange ones each. Past it: the quietest is forgotten.
pub const SOURCES_REMEMBERED_MAX: usize = 65_536;
/// Life of a digest nonce, seconds. Past it: a new challenge with `stale=true`.
pub const NONCE_LIFE_S: u64 = 300;
/// Used nonces remembered for the `nc` rule. Past it: the oldest is forgotten and answers stale.
pub const NONCES_REMEMBERED_MAX: usize = 1_000_000;
/// Memory of one remembered nonce that the sum over all is reckoned with, bytes: tables double, and hold
/// the old half until they have moved.
pub const NONCE_BYTES: usize = 96;
/// Failed digests a minute for one (user, source) pair. Past it: that pair is dropped for a while.
pub const DIGEST_FAILURES_A_MINUTE_MAX: u32 = 20;

/// One RTP packet, bytes. Past it: dropped and counted.
pub const RTP_BYTES_MAX: usize = 2 * 1024;
/// One RTCP packet, bytes.
pub const RTCP_BYTES_MAX: usize = 1_500;
/// Of the files that the process may have open, RTCP sockets of all its media cores take at most one in so many; connections
/// and recordings need theirs. Past it: the leg goes on without RTCP, counted.
pub const RTCP_FILES_SHARE: u64 = 4;
/// RTCP packets a second of one stream.
pub const RTCP_RATE_MAX: u32 = 10;
/// Packets behind the newest that the replay protection of SRTP tells apart. Older: dropped.
pub const SRTP_REPLAY_WINDOW: u64 = 128;
/// Streams (SSRCs) of one SRTP key that are known at once. Past it: the one that was silent longest is forgotten.
pub const SRTP_STREAMS_MAX: usize = 4;
/// Highest packet index of SRTP (RFC 3711 §3.3.1). Past it: nothing more is sent or taken with the key.
pub const SRTP_INDEX_MAX: u64 = (1 << 48) - 1;
/// Highest packet index of SRTCP (RFC 3711 §3.4).
pub const SRTCP_INDEX_MAX: u32 = (1 << 31) - 1;
/// Packets that decide the latch.
pub const LATCH_PACKETS: u8 = 5;
/// SSRC changes a second of one stream.
pub const SSRC_CHANGES_RATE_MAX: u32 = 3;
/// Timestamp jump that means a new start, in RTP units (10 s).
pub const TIMESTAMP_JUMP_MAX: u32 = 80_000;
/// Digits queued for one call. Past it: the oldest is dropped.
pub const DIGITS_QUEUED_MAX: usize = 128;
/// Keys of the bridged party that wait to be played to a leg as tones. Past it: the newest is left
/// out and its packet counted as dropped.
pub const TONE_KEYS_MAX: usize = 8;
/// No media: end of the call, seconds.
pub const MEDIA_TIMEOUT_S: u32 = 60;
/// No media while on hold, seconds.
pub const MEDIA_TIMEOUT_HOLD_S: u32 = 3_600;
/// Legs of one media core.
pub const LEGS_PER_CORE_MAX: usize = 8_192;
/// Slots of a command ring: every leg may have four commands outstanding.
pub const COMMAND_SLOTS: usize = LEGS_PER_CORE_MAX * 4;
/// Slots of an event ring: every leg may have eight events outstanding.
pub const EVENT_SLOTS: usize = LEGS_PER_CORE_MAX * 8;
/// Slots of the ring from a core to the recorder: 2 s of 80 recordings. Past it: a gap, marked.
pub const RECORDER_SLOTS: usize = 8_192;
/// Recordings of one core at once.
pub const TAPS_PER_CORE_MAX: usize = 2_048;

/// Recording length, seconds.
pub const RECORDING_S_MAX: u32 = 4 * 3_600;
/// Recording size, bytes.
pub const RECORDING_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Body of a webhook answer after decoding, bytes. Past it: code 11750.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 64 * 1024;
/// Headers of a webhook answer.
pub const WEBHOOK_HEADERS_MAX: usize = 100;
/// Bytes of all headers of a webhook answer.
pub const WEBHOOK_HEADERS_BYTES_MAX: usize = 32 * 1024;
/// HTTP redirects. Past it: code 11215.
pub const WEBHOOK_REDIRECTS_MAX: u8 = 10;
/// One webhook in all, milliseconds. Past it: code 11203.
pub const WEBHOOK_TOTAL_MS: u32 = 15_000;
/// One connection attempt of a webhook, milliseconds.
pub const WEBHOOK_CONNECT_MS: u32 = 5_000;
/// Requests at once to one host; more wait inside their 15 s.
pub const WEBHOOK_HOST_CONCURRENCY_MAX: usize = 200;
/// Requests at once for one account; more wait inside their 15 s.
pub const WEBHOOK_ACCOUNT_CONCURRENCY_MAX: usize = 1_000;
/// Requests at once for all accounts; more wait inside their 15 s. One account leaves some to the others.
pub const WEBHOOK_CONCURRENCY_MAX: usize = 1_500;

/// TwiML document, bytes. Past it: code 11750 by webhook, 12100 otherwise.
pub const TWIML_BYTES_MAX: usize = 64 * 1024;
/// Inline TwiML of the REST API, characters.
pub const TWIML_INLINE_CHARACTERS_MAX: usize = 4_000;
/// Depth of elements.
pub const TWIML_DEPTH_MAX: usize = 16;
/// Elements of a document.
pub const TWIML_ELEMENTS_MAX: usize = 1_000;
/// Attributes of an element.
pub const TWIML_ATTRIBUTES_MAX: usize = 32;
/// Bytes of an attribute's value.
pub const TWIML_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Documents of one call. Past it: the call ends.
pub const TWIML_DOCUMENTS_MAX: u32 = 1_000;
/// Documents in a row without a verb that takes time. Past it: the call ends.
pub const TWIML_IDLE_DOCUMENTS_MAX: u32 = 50;
/// Characters of one `<Say>`. Past it: code 13521.
pub const SAY_CHARACTERS_MAX: usize = 4_096;
/// Repetitions that `loop="0"` means.
pub const LOOP_FOREVER: u32 = 1_000;
/// Memory for all audio together: files while they load, prompts that play, prompts that are kept, bytes
/// (`limits.audio`). Past it: kept prompts go, then a fetch waits within its time, then 11200.
pub const AUDIO_BYTES: u64 = 256 * 1024 * 1024;
/// Least memory for audio: the longest file that is played must have room, and others beside it.
pub const AUDIO_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Bytes of a played file. Past it: code 11750.
pub const PLAY_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Decoded length of a played file, seconds.
pub const PLAY_S_MAX: u32 = 3_600;
/// `Refer-To` of a transfer, bytes. Past it: the REFER is refused with 400.
pub const REFER_TO_BYTES_MAX: usize = 256;
/// `<Dial>` targets at once. Past it: code 13250.
pub const DIAL_TARGETS_MAX: usize = 10;
/// Ring time, seconds: default and most.
pub const RING_S: (u32, u32) = (30, 600);
/// Call length, seconds: default and most.
pub const CALL_S: (u32, u32) = (4 * 3_600, 24 * 3_600);
/// Header part of a `<Sip>` URI, characters. At or past it: 21227, 13253.
pub const SIP_NOUN_HEADERS_MAX: usize = 1_024;
/// URI of a `<Sip>` without its header part, characters. At or past it: 13243.
pub const SIP_NOUN_URI_MAX: usize = 255;

/// REST request body, bytes. Past it: 413.
pub const REST_BODY_BYTES_MAX: usize = 64 * 1024;
/// REST URL, bytes. Past it: 414.
pub const REST_URL_BYTES_MAX: usize = 8 * 1024;
/// REST headers, bytes. Past it: 431.
pub const REST_HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Reading one REST request, milliseconds. Past it: 408.
pub const REST_READ_MS: u32 = 10_000;
/// HTTP connections at once, of all listeners. Past it: accepted and closed.
pub const HTTP_CONNECTIONS_MAX: usize = 1_024;
/// The same of one source other than this machine: no stranger takes every place.
pub const HTTP_CONNECTIONS_SOURCE_MAX: usize = 256;
/// A peer that takes nothing of an answer for so long, milliseconds: closed.
pub const HTTP_WRITE_STALLED_MS: u32 = 30_000;
/// REST requests at once of one account. Past it: 429.
pub const REST_CONCURRENCY_MAX: usize = 100;
/// Rows of one page.
pub const REST_PAGE_MAX: u32 = 1_000;
/// Bytes of answers that wait to be read by their peers, of all connections together; those of less than
/// [`REST_ANSWER_SMALL_BYTES`] are not counted. Past it: 503.
pub const REST_ANSWERS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// An answer up to here is part of what a connection takes anyway, bytes.
pub const REST_ANSWER_SMALL_BYTES: usize = 32 * 1024;
/// Failed logins a minute of one source and user. Past it: 429 for a minute.
pub const REST_FAILURES_A_MINUTE_MAX: u32 = 10;

/// Sub-accounts of an account. Past it: 21480.
pub const SUB_ACCOUNTS_MAX: usize = 1_000;
/// API keys of an account.
pub const KEYS_ACCOUNT_MAX: usize = 1_000;
/// SIP domains of an account. Past it: 21230.
pub const DOMAINS_ACCOUNT_MAX: usize = 100;
/// Credential lists of an account. Past it: 21239.
pub const CREDENTIAL_LISTS_ACCOUNT_MAX: usize = 100;
/// Credentials of a list. Past it: 21242.
pub const CREDENTIALS_LIST_MAX: usize = 1_000;
/// IP access control lists of an account. Past it: 21255.
pub const IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX: usize = 1_000;
/// Addresses of an IP access control list, a block counting as one. Past it: 21237.
pub const IP_ADDRESSES_LIST_MAX: usize = 100;
/// Characters of most friendly names.
pub const FRIENDLY_NAME_CHARACTERS_MAX: usize = 64;
/// Characters of the friendly names of IP access control lists and their addresses.
pub const FRIENDLY_NAME_LONG_CHARACTERS_MAX: usize = 255;
/// Characters of a SIP user name.
pub const USERNAME_CHARACTERS_MAX: usize = 32;
/// Least characters of a SIP user's password.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;

/// Contacts of one address of record, and of one REGISTER. Past it: 403, code 32007.
pub const CONTACTS_MAX: usize = 10;
/// REGISTER a second of one address of record. Past it: 503, code 32008.
pub const REGISTERS_A_SECOND_MAX: u32 = 5;
/// Seconds a registration may last: least (below: 423), most (above: cut).
pub const REGISTRATION_S: (u32, u32) = (600, 3_600);
/// Memory of one binding that the sum over all is reckoned with, bytes.
pub const BINDING_BYTES: usize = 1_024;
/// Text of one binding (contact, path, Call-ID, instance), bytes. Past it: 403.
pub const BINDING_TEXT_BYTES_MAX: usize = 2_048;
/// Bindings that expire or are dropped in one change of the store.
pub const BINDINGS_A_CHANGE_MAX: usize = 100;

/// Calls a second that an account may make by REST with `limits.profile = "twilio"`. Past it: 429.
pub const TWILIO_API_CALLS_A_SECOND: u32 = 1;
/// Accounts whose last call by REST is remembered for that. Past it: the oldest SID is forgotten.
pub const API_CALLERS_REMEMBERED_MAX: usize = 10_000;

/// Timeline of one call: entries and bytes.
pub const TIMELINE_ENTRIES_MAX: usize = 200;
/// Timeline bytes.
pub const TIMELINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one log line.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// Log lines that wait for standard error. Past it: left out, counted, and told once it takes lines again.
pub const LOG_LINES_WAITING_MAX: usize = 1_024;
/// Lines of the log about one rule that refuses, a second. Past it: left out, and told in the next.
pub const REFUSAL_LINES_A_SECOND_MAX: u32 = 20;
/// Writes waiting for the store. Past it: 503 to REST, calls go on.
pub const STORE_QUEUE_MAX: usize = 10_000;

/// Bytes of history that waits for a store that cannot write: records, notifications, exchanges, timelines.
/// Past it: the oldest are lost, with a metric, an alert to their account and a log line. Records of calls
/// that are up are kept.
pub const HISTORY_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of disk that are taken at start for history of which the process ends before the store can write it
/// (a sixteenth of the free space where that is less). Past it: rows are kept in memory only.
pub const HISTORY_JOURNAL_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A commit that takes so long, milliseconds: new writes that somebody waits for get 503.
pub const STORE_COMMIT_MS_MAX: u64 = 5_000;

// A session description at its limit fits behind any headers, and each part alone into a message.
const _: () = assert!(
    SIP_START_LINE_BYTES_MAX + SIP_HEADERS_BYTES_MAX + SDP_BYTES_MAX < SIP_MESSAGE_BYTES_MAX
);
const _: () = assert!(SIP_BODY_BYTES_MAX < SIP_MESSAGE_BYTES_MAX);
const _: () = assert!(SIP_BODY_BYTES_MAX < SIP_STREAM_DRAIN_BYTES_MAX);
const _: () = assert!(SDP_ATTRIBUTES_MAX >= SDP_FORMATS_MAX * 2);
const _: () = assert!(REGISTRATION_S.0 < REGISTRATION_S.1 && CONTACTS_MAX > 0);
const _: () = assert!(SIP_LONG_HEADER_VALUE_BYTES_MAX < SIP_HEADERS_BYTES_MAX);
const _: () = assert!(SIP_MESSAGE_BYTES_MAX <= STREAM_WRITE_QUEUE_BYTES_MAX);
const _: () = assert!(SDP_BYTES_MAX <= SIP_BODY_BYTES_MAX);
const _: () = assert!(COMMAND_SLOTS.is_power_of_two() && EVENT_SLOTS.is_power_of_two());
const _: () = assert!(LEGS_PER_CORE_MAX <= u16::MAX as usize + 1);
const _: () = assert!(WEBHOOK_ACCOUNT_CONCURRENCY_MAX < WEBHOOK_CONCURRENCY_MAX);
const _: () = assert!(HTTP_CONNECTIONS_SOURCE_MAX < HTTP_CONNECTIONS_MAX);
const _: () = assert!(TWIML_INLINE_CHARACTERS_MAX * 4 <= TWIML_BYTES_MAX);
