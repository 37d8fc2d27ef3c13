//! DNS: SIP targets and host names to addresses. Shell, on tokio.
