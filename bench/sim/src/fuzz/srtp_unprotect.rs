//! SRTP and SRTCP from anybody (RFC 3711): nothing that was not protected with the key is opened, and
//! what is refused changes neither the packet nor what is opened later.

use plane::srtp::{SRTCP_OVERHEAD, SRTP_OVERHEAD_MAX, SrtpError, SrtpReceiver, SrtpSender};
use shared::{SrtpKey, SrtpMaster, SrtpSuite};

/// The first byte chooses the suite and whether the rest is taken as RTP or RTCP; then the same bytes are
/// protected (where they can be), opened, opened again, and opened with one bit of them changed.
pub fn check(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let suite = match choice & 1 {
        0 => SrtpSuite::AesCm128HmacSha1Tag80,
        _ => SrtpSuite::AesCm128HmacSha1Tag32,
    };
    let key = SrtpKey { suite, master: SrtpMaster::new([0x5A; 30]) };
    let is_report = choice & 2 != 0;
    let mut receiver = SrtpReceiver::new(key);
    let mut stranger = bytes.to_vec();
    assert!(
        open(&mut receiver, is_report, &mut stranger).is_err(),
        "a stranger's packet is opened"
    );
    assert_eq!(stranger, bytes, "a refused packet is as it was");

    let overhead = if is_report { SRTCP_OVERHEAD } else { SRTP_OVERHEAD_MAX };
    let mut sealed = bytes.to_vec();
    sealed.resize(bytes.len() + overhead, 0xEE);
    let mut sender = SrtpSender::new(key);
    let Ok(len) = seal(&mut sender, is_report, &mut sealed, bytes.len()) else { return };
    sealed.truncate(len);
    let mut changed = sealed.clone();
    let at = usize::from(*choice) % len;
    changed[at] ^= 1 << (choice >> 5);
    let as_sent = changed.clone();
    assert!(open(&mut receiver, is_report, &mut changed).is_err(), "a changed packet is opened");
    assert_eq!(changed, as_sent, "a refused packet is as it was");
    let mut opened = sealed.clone();
    assert_eq!(open(&mut receiver, is_report, &mut opened), Ok(bytes.len()));
    assert_eq!(opened.get(..bytes.len()), Some(bytes), "what was protected comes back");
    let again = open(&mut receiver, is_report, &mut sealed);
    assert_eq!(again, Err(SrtpError::Replayed), "a packet is opened twice");
}

fn open(
    receiver: &mut SrtpReceiver,
    is_report: bool,
    packet: &mut [u8],
) -> Result<usize, SrtpError> {
    if is_report { receiver.unprotect_rtcp(packet) } else { receiver.unprotect_rtp(packet) }
}

fn seal(
    sender: &mut SrtpSender,
    is_report: bool,
    buffer: &mut [u8],
    len: usize,
) -> Result<usize, SrtpError> {
    if is_report { sender.protect_rtcp(buffer, len) } else { sender.protect_rtp(buffer, len) }
}
