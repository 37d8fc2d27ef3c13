//! Every bound in one place: its default, and what happens past it.
//!
//! A constant here is a default or a hard cap; where a setting overrides it, the setting's doc
//! says so. Relations between limits are asserted at compile time at the end of this file.

/// SIP start line, bytes. Past it: 414, or 400 when it cannot be read.
pub const SIP_START_LINE_BYTES_MAX: usize = 2 * 1024;
/// One SIP URI, bytes. Past it: 414 in a Request-URI, else 400.
pub const SIP_URI_BYTES_MAX: usize = 1024;
/// Parameters of one SIP URI.
pub const SIP_URI_PARAMETERS_MAX: usize = 32;
/// SIP header section, bytes. Past it: 400; over TCP or TLS the connection closes as well.
pub const SIP_HEADERS_BYTES_MAX: usize = 24 * 1024;
/// Header lines before unfolding.
pub const SIP_HEADER_LINES_MAX: usize = 256;
/// Values of one header name.
pub const SIP_HEADER_VALUES_MAX: usize = 128;
/// Bytes of one header value.
pub const SIP_HEADER_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of an `Identity`, `Authorization` or `Proxy-Authorization` value.
pub const SIP_LONG_HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a header name. RFC 4475 §3.1.1.7 has a valid one of 94.
pub const SIP_HEADER_NAME_BYTES_MAX: usize = 128;
/// `Via` values: one for each hop that the usual `Max-Forwards: 70` allows. RFC 4475 §3.1.1.7 has 34.
pub const SIP_VIA_MAX: usize = 70;
/// `Route` values, and `Record-Route` values.
pub const SIP_ROUTE_MAX: usize = 20;
/// SIP body, bytes. Past it: 413.
pub const SIP_BODY_BYTES_MAX: usize = 48 * 1024;
/// Parts of one multipart body. Past it: 400.
pub const SIP_MULTIPART_PARTS_MAX: usize = 8;
/// Nesting depth of multipart bodies, the outermost included. Past it: 415.
pub const SIP_MULTIPART_DEPTH_MAX: usize = 3;
/// Whole SIP message, bytes: less than the longest header section and the longest body together. Past it: 513.
pub const SIP_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a refused body that are skipped, so that the next message can be read; and bytes that are read
/// from a connection whose framing broke, so that the peer can read our answers before it closes.
/// Past it: closed.
pub const SIP_CONNECTION_DRAIN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of incomplete messages, of all connections together. Past it: the connection that would add
/// more is closed.
pub const SIP_CONNECTIONS_UNFINISHED_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Milliseconds from the opening of a connection to its first whole message. Past it: closed.
pub const SIP_CONNECTION_FIRST_MESSAGE_MS: u64 = 10_000;
/// Milliseconds from the first byte of a header section to its last. Past it: closed.
pub const SIP_CONNECTION_HEADERS_MS: u64 = 10_000;
/// Milliseconds from the end of the headers to the end of the body. Past it: closed.
pub const SIP_CONNECTION_BODY_MS: u64 = 10_000;
/// Milliseconds that a connection whose framing broke stays open for the answers to earlier messages: as
/// long as an INVITE waits for a final response (RFC 3261 timer B). Past it: closed.
pub const SIP_CONNECTION_BROKEN_MS: u64 = 32_000;
/// Milliseconds that a connection without a call may bring nothing. Past it: closed.
pub const SIP_CONNECTION_IDLE_MS: u64 = 60_000;
/// The same for a connection whose peer keeps it alive by pings (RFC 5626 §4.4.1).
pub const SIP_CONNECTION_IDLE_KEPT_ALIVE_MS: u64 = 180_000;
/// Milliseconds from opening a connection to our first ping on it.
pub const SIP_CONNECTION_PING_FIRST_MS: u64 = 10_000;
/// Milliseconds between our pings on a connection that we opened.
pub const SIP_CONNECTION_PING_EVERY_MS: u64 = 30_000;
/// Pings from a peer on one connection in ten seconds. Past it: closed.
pub const SIP_CONNECTION_PINGS_MAX: u32 = 100;
/// Milliseconds to wait for the answer to a ping (RFC 5626 §4.4.1). Past it a peer that answered before
/// counts as gone: the connection is closed.
pub const SIP_CONNECTION_PONG_MS: u64 = 10_000;

/// TCP and TLS connections in all (`sip.connections_max`). Past it: a new one is accepted and closed.
pub const CONNECTIONS_MAX: usize = 20_000;
/// Connections of one source that nothing vouches for (`sip.connections_source_max`).
pub const CONNECTIONS_SOURCE_MAX: usize = 100;
/// Bytes waiting to be written to one connection. Past it: the connection is closed.
pub const CONNECTION_WRITE_QUEUE_BYTES_MAX: usize = 256 * 1024;
/// Bytes waiting to be written to all connections. Past it: the connection that would add more is closed.
pub const CONNECTION_WRITE_QUEUES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Milliseconds in which an accepted connection must send something. Past it: closed.
pub const CONNECTION_SILENT_MS: u32 = 10_000;
/// Milliseconds that a TLS handshake may take. Past it: closed.
pub const CONNECTION_HANDSHAKE_MS: u32 = 5_000;
/// TLS handshakes under way with one source. Past it: accepted and closed.
pub const CONNECTION_HANDSHAKES_SOURCE_MAX: usize = 20;
/// Milliseconds that a connection may take none of the bytes that wait to be written. Past it: closed.
pub const CONNECTION_STALLED_MS: u32 = 10_000;
/// Vouched-for sources that are remembered. Past it: the limit per source binds the new ones.
pub const CONNECTION_SOURCES_VOUCHED_MAX: usize = 100_000;
/// Milliseconds to open a connection. Past it: failed.
pub const CONNECTION_OPEN_MS: u32 = 5_000;

/// SDP bytes. Past it: 488.
pub const SDP_BYTES_MAX: usize = 32 * 1024;
/// SDP lines. Past it: 488.
pub const SDP_LINES_MAX: usize = 2_048;
/// Bytes of one SDP line of a kind that is read. Past it: 488; lines of other kinds are skipped.
pub const SDP_LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a media type, a transport, a format or a host name in SDP. Past it: 400.
pub const SDP_WORD_BYTES_MAX: usize = 255;
/// Media descriptions; an answer repeats all of them. Past it: 488.
pub const SDP_MEDIA_MAX: usize = 32;
/// Formats kept of one audio section. Past it: later ones are ignored.
pub const SDP_FORMATS_MAX: usize = 64;
/// Attributes kept of one audio section, and of the session: two for each format, and as many again for
/// keys and the rest. Past it: later ones are ignored.
pub const SDP_ATTRIBUTES_MAX: usize = 256;
/// `c=` lines kept of one audio section. Past it: later ones are ignored.
pub const SDP_CONNECTIONS_MAX: usize = 8;

/// Milliseconds in which the target of an INVITE must respond, with 100 at least (`sip.silence_s`).
/// Past it: the next target, or the call fails.
pub const SIP_SILENCE_MS: u64 = 4_000;
/// Server transactions in all. Past it: 503 with Retry-After.
pub const SERVER_TRANSACTIONS_MAX: usize = 1_000_000;
/// Memory of a server transaction that has answered and only waits for retransmissions, bytes. A refused
/// INVITE keeps all of its state until its ACK, because the response is retransmitted.
pub const SERVER_TRANSACTION_ENDED_BYTES_MAX: usize = 256;
/// Memory for the larger responses of such transactions together (a REGISTER's contacts, the SDP of an
/// UPDATE), bytes. Past it: the oldest are forgotten, and their requests' retransmissions get no answer.
pub const SERVER_ANSWERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Requests of one user agent outside of dialogs (REGISTER, OPTIONS) that wait for a response. Past it:
/// the requester gets 503 and nothing is sent.
pub const SIP_REQUESTS_MAX: usize = 10_000;
/// Server transactions of one source that nothing vouches for.
pub const SERVER_TRANSACTIONS_SOURCE_MAX: usize = 2_000;
/// Requests a second of a source that nothing vouches for, in the long run.
pub const UNAUTHENTICATED_REQUESTS_A_SECOND: u64 = 50;
/// Requests of such a source in one burst. Past it: it is challenged, its credentials are not checked.
pub const UNAUTHENTICATED_BURST: u64 = 200;
/// Requests past the burst that are challenged. Past it: dropped for [`UNAUTHENTICATED_HELD_S`], counted.
pub const UNAUTHENTICATED_CHALLENGED: u64 = 100;
/// Seconds for which the requests of such a source are then dropped.
pub const UNAUTHENTICATED_HELD_S: u64 = 10;
/// Seconds for which a valid digest or an IP list vouches for a source.
pub const VOUCHED_S: u64 = 600;
/// Sources remembered, of vouched-for and of other ones each. Past it: the quietest is forgotten.
pub const SOURCES_REMEMBERED_MAX: usize = 65_536;
/// Life of a digest nonce, seconds. Past it: a new challenge with `stale=true`.
pub const NONCE_LIFE_S: u64 = 300;
/// Used nonces remembered for the `nc` rule. Past it: the oldest is forgotten, and counts as stale.
pub const NONCES_REMEMBERED_MAX: usize = 1_000_000;
/// Memory that the memory plan counts for one remembered nonce, bytes: tables double, and hold the old half
/// until they have moved.
pub const NONCE_BYTES: usize = 96;
/// Failed digests a minute for one (user, source) pair. Past it: that pair is dropped for a while.
pub const DIGEST_FAILURES_A_MINUTE_MAX: u32 = 20;

/// One RTP packet, bytes. Past it: dropped and counted.
pub const RTP_BYTES_MAX: usize = 2 * 1024;
/// One RTCP packet, bytes.
pub const RTCP_BYTES_MAX: usize = 1_500;
/// RTCP sockets of all media cores take at most this fraction (one in four) of the files that the process may
/// open; connections and recordings need the rest. Past it: the leg goes on without RTCP, counted.
pub const RTCP_FILES_SHARE: u64 = 4;
/// RTCP packets a second of one leg. Past it: dropped and counted.
pub const RTCP_RATE_MAX: u32 = 10;
/// Packets behind the newest that the replay list of SRTP covers (RFC 3711 §3.3.2). Older: dropped.
pub const SRTP_REPLAY_WINDOW: u64 = 128;
/// Streams (SSRCs) tracked per SRTP key. Past it: the one that was silent longest is forgotten.
pub const SRTP_STREAMS_MAX: usize = 4;
/// Highest packet index of SRTP (RFC 3711 §3.3.1). Past it: nothing more is sent or taken with the key.
pub const SRTP_INDEX_MAX: u64 = (1 << 48) - 1;
/// Highest packet index of SRTCP (RFC 3711 §3.4).
pub const SRTCP_INDEX_MAX: u32 = (1 << 31) - 1;
/// Packets from an acceptable source that lock a leg to it.
pub const LATCH_PACKETS: u8 = 5;
/// Orders about the leg of one call that wait for the answer to our offer. Past it: they are carried out without a leg.
pub const DEFERRED_EFFECTS_MAX: usize = 64;
/// Characters of `customerId`. Past it: the SID of the account is sent.
pub const CUSTOMER_ID_CHARACTERS_MAX: usize = 256;
/// Packets a second that a leg takes from the other leg of a link between two calls here. Past it: they are dropped.
/// Two ends that echo each other would send a packet round for ever; a party sends 100 at most, and bursts.
pub const LINK_PACKETS_RATE_MAX: u32 = 400;
/// SSRC changes a second of one leg. Past it: packets of the newest SSRC are dropped.
pub const SSRC_CHANGES_RATE_MAX: u32 = 3;
/// Timestamp jump that restarts a stream, in RTP timestamp units (10 s).
pub const TIMESTAMP_JUMP_MAX: u32 = 80_000;
/// Digits queued for one call. Past it: the oldest is dropped.
pub const DIGITS_QUEUED_MAX: usize = 128;
/// Keys of the bridged party that wait to be played to a leg as tones. Past it: the newest is left out and
/// its packet counts as dropped.
pub const TONE_KEYS_MAX: usize = 8;
/// Seconds without media after which a call ends (`media.timeout_s`).
pub const MEDIA_TIMEOUT_S: u32 = 60;
/// The same while the call is on hold (`media.hold_timeout_s`).
pub const MEDIA_TIMEOUT_HOLD_S: u32 = 3_600;
/// Legs of one media core.
pub const LEGS_PER_CORE_MAX: usize = 8_192;
/// Legs that one answer of `/media.json` describes. Past it: the answer says how many it leaves out.
pub const LEGS_DESCRIBED_MAX: usize = 1_000;
/// Time for the cores to describe their legs. Past it: the answer has these legs without a description.
pub const LEGS_DESCRIBED_MS: u64 = 2_000;
/// Slots of a command ring: every leg may have four commands outstanding.
pub const COMMAND_SLOTS: usize = LEGS_PER_CORE_MAX * 4;
/// Slots of an event ring: every leg may have eight events outstanding.
pub const EVENT_SLOTS: usize = LEGS_PER_CORE_MAX * 8;
/// Frames that the ring from a core to the recorder keeps for each tap of the core: 2 s of all of them, or longer
/// of fewer. Past it: a gap, marked.
pub const RECORDER_FRAMES_A_TAP: usize = 100;
/// Slots of the ring from a core to a sink that uses the audio while the call lasts: 80 ms of all taps. Past it: a
/// gap, marked.
pub const LIVE_SINK_SLOTS: usize = 8_192;
/// Taps of one core at once, for each sink.
pub const TAPS_PER_CORE_MAX: usize = 2_048;

/// Feeds of one core at once.
pub const FEEDS_PER_CORE_MAX: usize = 2_048;
/// Frames of 20 ms of one feed that wait on the core: 200 ms. Past it a frame is dropped.
pub const FEED_FRAMES_MAX: usize = 10;
/// Slots of the ring of feeds down to a core: four items of every feed. Past it the writer waits.
pub const FEED_SLOTS: usize = FEEDS_PER_CORE_MAX * 4;

/// Audio of one stream that waits for the party: 10 minutes (streams.md 5). Past it: dropped, 31931.
pub const STREAM_PLAYOUT_BYTES_MAX: usize = 600 * 8_000;
/// Marks of one stream that wait. Past it: dropped, 31931.
pub const STREAM_MARKS_MAX: usize = 4_096;
/// Recognitions of all calls at once. Past it: refused, with the failure of a busy engine.
pub const RECOGNITIONS_MAX: usize = 4_096;
/// Engines of `[[recognition.engine]]`. Past it the settings are refused.
pub const RECOGNITION_ENGINES_MAX: usize = 16;
/// Bytes of audio and orders that wait for one engine: 16 s of 16-bit audio at 16 kHz for each of 16 utterances. Past it:
/// the utterance that would add more fails.
pub const RECOGNITION_WAITING_BYTES_MAX: usize = 16 * 16 * 32_000;
/// Bytes of one line of an engine (recognition.md 3). Past it: the process is ended.
pub const RECOGNITION_LINE_BYTES_MAX: usize = 64 * 1024;
/// Utterances of one track whose results are outstanding. Past it: the recognition fails.
pub const RECOGNITION_OUTSTANDING_MAX: usize = 8;
/// Seconds from the end of an utterance to its result. Past it: the recognition fails.
pub const RECOGNITION_RESULT_S: u32 = 30;
/// Recognitions of recorded messages at once, with those whose call is over. Past it: refused, 13614.
pub const RECOGNITIONS_BATCH_MAX: usize = 1_024;
/// Utterances of one track of a recorded message whose results are outstanding: more than two minutes have, at least 120 ms
/// of speech and 700 ms of silence each. Past it: the recognition fails.
pub const RECOGNITION_BATCH_OUTSTANDING_MAX: usize = 160;
/// Utterances of all recorded messages that wait for an engine or are at one. Past it: the recognition fails, 13614.
pub const RECOGNITION_BATCH_UTTERANCES_MAX: usize = 4_096;
/// Bytes of the audio of these utterances, a byte a sample: two hours and twenty minutes of speech, or 70 messages of the
/// greatest length. Past it: the recognition that would add more fails, 13614.
pub const RECOGNITION_BATCH_BYTES_MAX: usize = 64 << 20;
/// Seconds that a whole utterance of a recorded message waits for a place at an engine. Past it: the recognition fails, 13614.
pub const RECOGNITION_BATCH_WAIT_S: u32 = 600;
/// Calls that wait only for the text of their message and do not count towards `limits.calls`. Past it: they count.
pub const CALLS_AWAITING_TEXT_MAX: usize = 256;
/// Entries of `hints` (twiml.md 2.4). Past it: skipped with a warning.
pub const RECOGNITION_HINTS_MAX: usize = 500;
/// Characters of one entry of `hints` (twiml.md 2.4). Past it: skipped with a warning.
pub const RECOGNITION_HINT_CHARACTERS_MAX: usize = 100;
/// Seconds of a recording that is transcribed. Past it: there is no transcript, 13618.
pub const TRANSCRIBED_S_MAX: u32 = 120;
/// Bytes of one transcript. Past it: the rest is left out.
pub const TRANSCRIPT_BYTES_MAX: usize = 16 * 1024;
/// Utterances of one `<Gather>` in which nothing was understood. Past it: the verb ends without a result.
pub const GATHER_EMPTY_UTTERANCES_MAX: u32 = 3;
/// Callbacks of one recognition that wait for the one before them. Past it: the oldest is dropped.
pub const RECOGNITION_CALLBACKS_WAITING_MAX: usize = 64;
/// Bytes of the name of a client. Past it: 13224 in a document, 21211 by REST.
pub const CLIENT_IDENTITY_BYTES_MAX: usize = 121;
/// `<Parameter>`s of one stream. Past it: skipped with a warning.
pub const STREAM_PARAMETERS_MAX: usize = 99;
/// Tracks of one call that leave by one-way streams, together (streams.md 1). Past it: the stream fails.
pub const STREAM_TRACKS_A_CALL_MAX: usize = 4;

/// Members of rooms on one core, and rooms there: at most, and by default (`media.room_members_max`). Past it: the
/// core refuses the join.
pub const ROOM_MEMBERS_PER_CORE_MAX: usize = LEGS_PER_CORE_MAX;
/// The default.
pub const ROOM_MEMBERS_PER_CORE: usize = 1_000;
/// Voices of one core that a room mixes in a tick: the loudest. Past it: the quietest are not heard.
pub const ROOM_TALKERS_MAX: usize = 8;
/// Coaches of a room that speak at once on one core. Past it: they are not heard.
pub const ROOM_COACHES_MAX: usize = 8;
/// Prompts that a core plays to one room at once. Past it: the play is refused.
pub const ROOM_PLAYS_MAX: usize = 4;

/// Recording length, seconds.
pub const RECORDING_S_MAX: u32 = 4 * 3_600;
/// Recording size, bytes.
pub const RECORDING_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Recordings of one call that run at once. Past it: code 16108.
pub const RECORDINGS_A_CALL_MAX: usize = 8;
/// Recordings of one call whose files are not settled yet, those that run among them: a disk that stalls keeps those
/// that were stopped. Past it: code 16108.
pub const RECORDINGS_UNSETTLED_MAX: usize = 32;
/// Status callbacks of one recording that wait for the answer to the one before. Past it: a warning, not sent.
pub const RECORDING_CALLBACKS_WAITING_MAX: usize = 32;

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
/// Concurrent requests to one host. Past it: more wait within their 15 s.
pub const WEBHOOK_HOST_CONCURRENCY_MAX: usize = 200;
/// Concurrent requests for one account. Past it: more wait within their 15 s.
pub const WEBHOOK_ACCOUNT_CONCURRENCY_MAX: usize = 1_000;
/// Concurrent requests for all accounts, more than one account may have. Past it: more wait within their 15 s.
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
/// Consecutive documents without a verb that takes time. Past it: the call ends.
pub const TWIML_IDLE_DOCUMENTS_MAX: u32 = 50;
/// Characters of one `<Say>`. Past it: code 13521.
pub const SAY_CHARACTERS_MAX: usize = 4_096;
/// Bytes of text of one relay that wait to be said. Past it: 64107, the message is lost.
pub const RELAY_TEXT_BYTES_MAX: usize = 64 * 1024;
/// `<Language>`s of one relay. Past it: 12200, it is skipped.
pub const RELAY_LANGUAGES_MAX: usize = 32;
/// Repetitions for `loop="0"`, which asks for no end.
pub const LOOP_FOREVER: u32 = 1_000;
/// Memory for all audio together, bytes (`limits.audio`): files while they load, playing prompts, cached
/// prompts. Past it: cached prompts go, then a fetch waits within its time, then fails with 11200.
pub const AUDIO_BYTES: u64 = 256 * 1024 * 1024;
/// Least memory for audio: room for the longest file that may be played and for others beside it.
pub const AUDIO_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Bytes of a played file. Past it: code 11750.
pub const PLAY_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Decoded length of a played file, seconds.
pub const PLAY_S_MAX: u32 = 3_600;
/// `Refer-To` of a transfer, bytes. Past it: the REFER is refused with 400.
pub const REFER_TO_BYTES_MAX: usize = 256;
/// Members of a conference. Past `maxParticipants`, which is at most this: the call does not enter.
pub const CONFERENCE_MEMBERS_MAX: u32 = 250;
/// Members of a conference that the metadata of a recording session name one by one. Past it: the conference stands for
/// them as one participant.
pub const SIPREC_PARTNERS_MAX: usize = 16;
/// Name of a conference, characters. Past it: code 13237.
pub const CONFERENCE_NAME_CHARACTERS_MAX: usize = 128;
/// Name of a queue, characters. Past it: code 14205, or 14213 in a `<Dial>`.
pub const QUEUE_NAME_CHARACTERS_MAX: usize = 64;
/// Label of a member of a conference, characters. Past it: the member has no label.
pub const PARTICIPANT_LABEL_CHARACTERS_MAX: usize = 128;
/// Status callbacks of one conference that wait for the answers to earlier ones. Past it: the oldest is
/// dropped, which the application sees by `SequenceNumber`.
pub const CONFERENCE_CALLBACKS_MAX: usize = 1_000;
/// The same of all conferences of the node: an application that does not answer keeps ended conferences in memory.
pub const CONFERENCE_CALLBACKS_NODE_MAX: usize = 20_000;
/// `<Dial>` targets at once. Past it: code 13250.
pub const DIAL_TARGETS_MAX: usize = 10;
/// Ring time, seconds: default and maximum.
pub const RING_S: (u32, u32) = (30, 600);
/// Call length, seconds: default and maximum.
pub const CALL_S: (u32, u32) = (4 * 3_600, 24 * 3_600);
/// Header part of a `<Sip>` URI, characters. At or past it: 21227, 13253.
pub const SIP_NOUN_HEADERS_MAX: usize = 1_024;
/// URI of a `<Sip>` without its header part, characters. At or past it: 13243.
pub const SIP_NOUN_URI_MAX: usize = 255;

/// REST request body, bytes. Past it: 413.
pub const REST_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a REST request's body with the definition of a flow, each byte of which takes three in a form. Past it: 413.
pub const FLOW_BODY_BYTES_MAX: usize = 3 * STUDIO_DEFINITION_BYTES_MAX + 4 * 1024;
/// REST URL, bytes. Past it: 414.
pub const REST_URL_BYTES_MAX: usize = 8 * 1024;
/// REST headers, bytes. Past it: 431.
pub const REST_HEADERS_BYTES_MAX: usize = 16 * 1024;
/// Reading one REST request, milliseconds. Past it: 408.
pub const REST_READ_MS: u32 = 10_000;
/// HTTP connections at once, of all listeners. Past it: accepted and closed.
pub const HTTP_CONNECTIONS_MAX: usize = 1_024;
/// The same for one source other than this machine, so that no single source takes every place.
pub const HTTP_CONNECTIONS_SOURCE_MAX: usize = 256;
/// Milliseconds that a peer may read nothing of a response. Past it: closed.
pub const HTTP_WRITE_STALLED_MS: u32 = 30_000;
/// Event streams that HTTP clients read at once, of all listeners. Past it: 503.
pub const HTTP_EVENT_STREAMS_MAX: usize = 64;
/// Events that wait for one client of an event stream. Past it: its stream ends, and it connects again.
pub const HTTP_EVENTS_WAITING_MAX: usize = 32;
/// One event of such a stream, bytes as sent. Past it: the event is left out, and its sender learns of it.
pub const HTTP_EVENT_BYTES_MAX: usize = 4 * 1024;
/// Concurrent REST requests of one account. Past it: 429.
pub const REST_CONCURRENCY_MAX: usize = 100;
/// Rows of one page.
pub const REST_PAGE_MAX: u32 = 1_000;
/// Bytes of responses that peers have yet to read, of all connections together; responses shorter than
/// [`REST_ANSWER_SMALL_BYTES`] do not count. Past it: 503.
pub const REST_ANSWERS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// A response up to this length is covered by the memory that every connection takes, bytes.
pub const REST_ANSWER_SMALL_BYTES: usize = 32 * 1024;
/// Failed logins a minute of one source and user. Past it: 429 for a minute.
pub const REST_FAILURES_A_MINUTE_MAX: u32 = 10;

/// Head of a message between the gateway and a worker of functions, bytes. Past it: the worker is replaced.
pub const FUNCTION_HEAD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What a function is sent: body and headers of the request, bytes. Past it: 413.
pub const FUNCTION_REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// What a function answers, bytes. Past it: 500.
pub const FUNCTION_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Time of an invocation, milliseconds. Past it: 504.
pub const FUNCTION_WALL_MS: u64 = 10_000;
/// Processor time of an invocation, milliseconds. Past it: 500.
pub const FUNCTION_CPU_MS: u64 = 1_000;
/// Heap of one context, bytes. Past it: the allocation fails in the function.
pub const FUNCTION_HEAP_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Invocations of an account that run at once. Past it: they wait for a place.
pub const FUNCTIONS_RUNNING_ACCOUNT_MAX: usize = 30;
/// Invocations that wait for a place or run, of all accounts. Past it: 429.
pub const FUNCTIONS_WAITING_MAX: usize = 1_000;
/// Requests to the outside of one invocation. Past it: the request fails in the function.
pub const FUNCTION_FETCHES_MAX: u32 = 50;
/// What a function reads of one answer from the outside, bytes. Past it: the request fails in the function.
pub const FUNCTION_FETCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A printed line, bytes. Past it: cut.
pub const FUNCTION_LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// Lines that one invocation prints. Past it: left out, and the last line says so.
pub const FUNCTION_LOG_LINES_MAX: u32 = 500;
/// Lines of a service that are kept for the API. Past it: the oldest go.
pub const FUNCTION_LOGS_KEPT_MAX: usize = 5_000;
/// Header fields of an answer of a function. Past it: 500 and 82008.
pub const FUNCTION_HEADERS_MAX: usize = 75;
/// One header field of such an answer, bytes. Past it: 500 and 82008.
pub const FUNCTION_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Worker processes at once. Past it: the one that has been idle longest ends.
pub const FUNCTION_WORKERS_MAX: usize = 16;
/// Scripts of the operator's packages that functions may load. Past it: no worker starts, 500.
pub const FUNCTION_PACKAGE_FILES_MAX: usize = 20_000;
/// Bytes of the packages that a deployment of functions brings, unpacked. Past it: the build fails (82003).
pub const FUNCTION_PACKAGES_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Services of an account. Past it: 400.
pub const FUNCTION_SERVICES_ACCOUNT_MAX: usize = 50;
/// Environments, functions, assets, versions, builds or variables of a service, each. Past it: 400.
pub const FUNCTION_RESOURCES_SERVICE_MAX: usize = 1_000;
/// An uploaded function or asset, bytes, with the form around it. Past it: 413.
pub const FUNCTION_UPLOAD_BYTES_MAX: usize = 26 * 1024 * 1024;

/// Sub-accounts of an account. Past it: 21480.
pub const SUB_ACCOUNTS_MAX: usize = 1_000;
/// API keys of an account.
pub const KEYS_ACCOUNT_MAX: usize = 1_000;
/// SIP domains of an account. Past it: 21230.
pub const DOMAINS_ACCOUNT_MAX: usize = 100;
/// Queues of an account, those that `<Enqueue>` made included.
pub const QUEUES_ACCOUNT_MAX: usize = 1_000;
/// Most calls that may wait in a queue at once, where its resource allows as many.
pub const QUEUE_SIZE_MAX: u32 = 5_000;
/// Most calls that wait in a queue whose resource names no other number, as a request would have it.
pub const QUEUE_SIZE: &str = "1000";
/// TwiML applications of an account. Past it: 21301.
pub const APPLICATIONS_ACCOUNT_MAX: usize = 1_000;
/// TwiML Bins of an account. Past it: 20422.
pub const BINS_ACCOUNT_MAX: usize = 1_000;
/// Bytes of a bin's source. Past it: 12100 at save.
pub const BIN_BYTES_MAX: usize = 32 * 1024;
/// Sections of a bin in one another. Past it: 12100 at save.
pub const BIN_DEPTH_MAX: usize = 16;
/// Bytes that a bin renders to, as of any document. Past it the answer is 500.
pub const BIN_OUTPUT_BYTES_MAX: usize = WEBHOOK_BODY_BYTES_MAX;
/// Tags that one rendering passes through: sections in lists multiply. Past it the answer is 500.
pub const BIN_STEPS_MAX: usize = 100_000;
/// Phone numbers of an account. Past it: 20422.
pub const PHONE_NUMBERS_ACCOUNT_MAX: usize = 10_000;
/// Verified caller ids of an account. Past it: 20422.
pub const CALLER_IDS_ACCOUNT_MAX: usize = 10_000;
/// Credential lists of an account. Past it: 21239.
pub const CREDENTIAL_LISTS_ACCOUNT_MAX: usize = 100;
/// Credentials of a list. Past it: 21242.
pub const CREDENTIALS_LIST_MAX: usize = 1_000;
/// IP access control lists of an account. Past it: 21255.
pub const IP_ACCESS_CONTROL_LISTS_ACCOUNT_MAX: usize = 1_000;
/// Entries of an IP access control list, addresses or blocks. Past it: 21237.
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
/// Seconds that a registration may last: minimum (below: 423) and maximum (above: shortened to it).
pub const REGISTRATION_S: (u32, u32) = (600, 3_600);
/// Memory that the memory plan counts for one binding, bytes.
pub const BINDING_BYTES: usize = 1_024;
/// Text of one binding (contact, path, Call-ID, instance), bytes. Past it: 403.
pub const BINDING_TEXT_BYTES_MAX: usize = 2_048;
/// Bindings that one change of the store may expire or drop.
pub const BINDINGS_A_CHANGE_MAX: usize = 100;

/// Calls a second that an account may make by REST with `limits.profile = "twilio"`. Past it: 429.
pub const TWILIO_API_CALLS_A_SECOND: u32 = 1;
/// Accounts whose last REST call is remembered for that rate. Past it: the oldest SID is forgotten.
pub const API_CALLERS_REMEMBERED_MAX: usize = 10_000;

/// Entries of one call's timeline.
pub const TIMELINE_ENTRIES_MAX: usize = 200;
/// Bytes of one call's timeline.
pub const TIMELINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one log line.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;
/// Log lines that wait for standard error. Past it: left out and counted; the count is logged once it takes
/// lines again.
pub const LOG_LINES_WAITING_MAX: usize = 1_024;
/// Log lines a second about refusals by one rule. Past it: left out, and counted in the next line.
pub const REFUSAL_LINES_A_SECOND_MAX: u32 = 20;
/// Writes waiting for the store. Past it: 503 to REST, calls go on.
pub const STORE_QUEUE_MAX: usize = 10_000;

/// Bytes of history that waits while the store cannot write: records, notifications, exchanges, timelines.
/// Past it: the oldest are lost, with a metric, an alert to their account and a log line. Records of live
/// calls are kept.
pub const HISTORY_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of disk that are reserved at start for history that the store has not written when the process ends
/// (a sixteenth of the free space where that is less). Past it: rows are kept in memory only.
pub const HISTORY_JOURNAL_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Milliseconds that a commit may take. Past it: new writes with a waiting requester get 503.
pub const STORE_COMMIT_MS_MAX: u64 = 5_000;

/// Studio flows of one account. Past it: the request is refused.
pub const FLOWS_ACCOUNT_MAX: usize = 500;
/// Bytes of a flow's test users together. Past it: the request is refused.
pub const TEST_USERS_BYTES_MAX: usize = 8 * 1024;
/// Revisions that a flow keeps. Past it: the oldest one that is not published goes.
pub const FLOW_REVISIONS_MAX: usize = 100;
/// Executions of flows that are active at once. Past it: 503 to webhooks, which leads to the fallback URL, and to REST.
pub const STUDIO_EXECUTIONS_MAX: usize = 10_000;
/// Milliseconds that an execution may be active: 30 days. Past it: it ends.
pub const STUDIO_EXECUTION_MS_MAX: i64 = 30 * 86_400_000;
/// Executions a second that calls of one account may start. Past it: 429.
pub const STUDIO_CALLS_A_SECOND_MAX: u32 = 100;
/// Executions a second that one account may start by REST. Past it: 429.
pub const STUDIO_REQUESTS_A_SECOND_MAX: u32 = 20;
/// States of a Studio flow. Past it: the definition is refused.
pub const STUDIO_STATES_MAX: usize = 1_000;
/// Widgets of a Studio flow with those of the subflows that it runs. Past it: 81025 at save, 81026 at run.
pub const STUDIO_WIDGETS_MAX: usize = 2_000;
/// Bytes of a flow's definition. Past it: the definition is refused.
pub const STUDIO_DEFINITION_BYTES_MAX: usize = 256 * 1024;
/// Steps of one execution of a flow. Past it: the execution ends with 81000.
pub const STUDIO_STEPS_MAX: u32 = 1_000;
/// Times that one widget may run with no other between. Past it: the execution ends with 81001.
pub const STUDIO_REPEATS_MAX: u32 = 10;
/// Bytes of the variables of one execution. Past it: the result of the widget is lost, with a warning.
pub const STUDIO_CONTEXT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of `To` and `From` of an execution together. Past it: 81023.
pub const STUDIO_ADDRESSES_BYTES_MAX: usize = 300;
/// Bytes of one template. Past it: 81018.
pub const STUDIO_TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Bytes that one template may make. Past it: 81018.
pub const STUDIO_TEMPLATE_OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Turns of a template's loop. Further items are left out.
pub const STUDIO_TEMPLATE_TURNS_MAX: usize = 15;
/// Steps of one template: turns, filters and assignments, one more for each 256 bytes. Past it: 81018.
pub const STUDIO_TEMPLATE_STEPS_MAX: u32 = 20_000;

// A session description at its limit fits behind any headers, and each part alone into a message.
const _: () = assert!(
    SIP_START_LINE_BYTES_MAX + SIP_HEADERS_BYTES_MAX + SDP_BYTES_MAX < SIP_MESSAGE_BYTES_MAX
);
const _: () = assert!(SIP_BODY_BYTES_MAX < SIP_MESSAGE_BYTES_MAX);
const _: () = assert!(SIP_BODY_BYTES_MAX < SIP_CONNECTION_DRAIN_BYTES_MAX);
const _: () = assert!(SDP_ATTRIBUTES_MAX >= SDP_FORMATS_MAX * 2);
const _: () = assert!(REGISTRATION_S.0 < REGISTRATION_S.1 && CONTACTS_MAX > 0);
const _: () = assert!(SIP_LONG_HEADER_VALUE_BYTES_MAX < SIP_HEADERS_BYTES_MAX);
const _: () = assert!(SIP_MESSAGE_BYTES_MAX <= CONNECTION_WRITE_QUEUE_BYTES_MAX);
const _: () = assert!(SDP_BYTES_MAX <= SIP_BODY_BYTES_MAX);
const _: () = assert!(COMMAND_SLOTS.is_power_of_two() && EVENT_SLOTS.is_power_of_two());
const _: () = assert!(LEGS_PER_CORE_MAX <= u16::MAX as usize + 1);
const _: () = assert!(WEBHOOK_ACCOUNT_CONCURRENCY_MAX < WEBHOOK_CONCURRENCY_MAX);
const _: () = assert!(HTTP_CONNECTIONS_SOURCE_MAX < HTTP_CONNECTIONS_MAX);
const _: () = assert!(TWIML_INLINE_CHARACTERS_MAX * 4 <= TWIML_BYTES_MAX);
