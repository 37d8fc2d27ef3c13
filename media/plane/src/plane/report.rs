//! RTCP of a leg: reports read, reports sent. Reports end here and are never relayed. Sans-IO.
//!
//! RTCP goes only to the peer that the media is locked to, not to another program at its address. The SDP
//! names the port. Behind a NAT the port may differ: then the first report reveals it, provided that it comes
//! from the host and the SSRC of the media. Another sender on that host does not know the SSRC.

use std::net::SocketAddr;

use shared::{Impairments, Instant, IntervalQuality, LatchMode, MediaEvent, quality};

use crate::address::PackedAddress;
use crate::clock;
use crate::inbound::{Inbound, Latch, accepts_ip};
use crate::leg::{Leg, Reports};
use crate::leg_table::LegParts;
use crate::meters::DropReason;
use crate::output::{Output, SocketId};
use crate::rtcp::{self, Compound, REPORT_BYTES_MAX, Report, ReportBlock, SenderInfo};
use crate::srtp::SRTCP_OVERHEAD;

use super::Plane;

impl Plane {
    /// Takes one RTCP packet of at most `limits::RTCP_BYTES_MAX`.
    pub(super) fn take_report(
        &mut self,
        now: Instant,
        slot: usize,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), DropReason> {
        let parts = self.legs.parts(slot).ok_or(DropReason::NoLeg)?;
        let LegParts { leg, inbound, outbound, .. } = parts;
        if !socket.is_rtcp() && !leg.plan.media.rtcp_mux {
            return Err(DropReason::WrongPort);
        }
        if self.own.contains(source) && !leg.is_linked_with(source) {
            return Err(DropReason::OwnSocket);
        }
        let ssrc = rtcp::sender_ssrc(packet);
        if !accepts_report(leg, inbound, source, ssrc) {
            return Err(DropReason::RtcpStranger);
        }
        if !leg.reports.admit(clock::millis(now)) {
            return Err(DropReason::RtcpRate);
        }
        let opened = match self.srtp.at(leg.srtp) {
            Some(session) => session.open_rtcp(clock::millis(now), packet)?,
            None => packet.len(),
        };
        let packet = packet.get(..opened).unwrap_or_default();
        let compound =
            Compound::parse(packet, outbound.ssrc).map_err(|_| DropReason::RtcpMalformed)?;
        let reports = &mut leg.reports;
        reports.received = reports.received.saturating_add(1);
        if socket.is_rtcp() {
            (reports.source, reports.ssrc) = (PackedAddress::new(source), ssrc.unwrap_or_default());
        }
        if let Some(sent_at) = compound.sender_report {
            reports.last_sender_report = Some((sent_at, now));
        }
        if let Some(on_us) = compound.report_on_us {
            let now_middle = rtcp::ntp_middle(rtcp::ntp(now, self.unix_ms_at_zero));
            reports.take(on_us, on_us.round_trip_us(now_middle));
        }
        if compound.bye {
            out.event(MediaEvent::RtcpBye { leg: leg.id });
        }
        Ok(())
    }

    /// Sends a report when it is due; answers when the next one is.
    pub(super) fn check_report(&mut self, slot: usize, at: Instant, out: &mut impl Output) -> u32 {
        let now_ms = clock::millis(at);
        let Some(leg) = self.legs.leg_mut(slot) else { return now_ms };
        if !clock::is_due(now_ms, leg.reports.next_ms) {
            return leg.reports.next_ms;
        }
        leg.reports.schedule_next(now_ms);
        let next_ms = leg.reports.next_ms;
        self.rate_interval(slot, out);
        self.send_report(at, slot, false, out);
        next_ms
    }

    /// Rates the interval since the last report; reports when the party's audio became bad, or good again.
    fn rate_interval(&mut self, slot: usize, out: &mut impl Output) {
        let Some(LegParts { leg, inbound, past, .. }) = self.legs.parts(slot) else { return };
        let reception = &inbound.reception;
        let Some((expected, losses)) = reception.interval(past) else { return };
        let packet_ms = u32::from(reception.totals(past).packet_samples) / clock::SAMPLES_A_MS;
        let round_trip_us = leg.reports.round_trip_us;
        let jitter_rtp_units = reception.jitter();
        let impairments = Impairments {
            loss_percent: losses.loss_percent(expected),
            burst_ratio: losses.burst_ratio(expected),
            delay_ms: quality::delay_ms(round_trip_us, jitter_rtp_units, packet_ms),
        };
        let interval = IntervalQuality {
            expected: u32::try_from(expected).unwrap_or(u32::MAX),
            lost: u32::try_from(losses.lost).unwrap_or(u32::MAX),
            jitter_rtp_units,
            round_trip_us,
            r_tenths: (impairments.rating().r_factor * 10.0) as u16,
        };
        if let Some(is_bad) = leg.quality_watch.hear(&interval) {
            out.event(MediaEvent::QualityChanged { leg: leg.id, is_bad, interval });
        }
    }

    /// Sends BYE, if we ever sent to the party (RFC 3550 §6.3.7).
    pub(super) fn send_goodbye(&mut self, now: Instant, slot: usize, out: &mut impl Output) {
        let known = self.legs.leg(slot).is_some_and(|leg| leg.reports.sent > 0);
        if known || self.legs.outbound(slot).packets > 0 {
            self.send_report(now, slot, true, out);
        }
    }

    fn send_report(&mut self, now: Instant, slot: usize, bye: bool, out: &mut impl Output) {
        let Some((socket, to)) = self.report_destination(slot) else { return };
        let Some(report) = self.report(now, slot, bye) else { return };
        let mut bytes = [0; REPORT_BYTES_MAX + SRTCP_OVERHEAD];
        let Some(room) = bytes.first_chunk_mut() else { return };
        let len = report.write(room);
        let Ok(len) = self.seal_report(slot, &mut bytes, len) else { return };
        out.send(socket, to, &bytes[..len]);
        self.meters.sent_rtcp += 1;
        if let Some(leg) = self.legs.leg_mut(slot) {
            leg.reports.sent = leg.reports.sent.saturating_add(1);
        }
    }

    fn report(&mut self, now: Instant, slot: usize, bye: bool) -> Option<Report> {
        let unix_ms_at_zero = self.unix_ms_at_zero;
        let LegParts { leg, inbound, outbound, past } = self.legs.parts(slot)?;
        let sent_since = outbound.packets != leg.reports.packets_reported;
        leg.reports.packets_reported = outbound.packets;
        let sender = sent_since.then(|| SenderInfo {
            ntp: rtcp::ntp(now, unix_ms_at_zero),
            timestamp: outbound.numbers.timestamp_at(clock::samples(now)),
            packets: outbound.packets,
            octets: outbound.octets,
        });
        let reception = &inbound.reception;
        let last = leg.reports.last_sender_report;
        let block = reception.has_started().then(|| ReportBlock {
            ssrc: reception.ssrc,
            figures: reception.report(past),
            last_sender_report: last.map_or(0, |(sent_at, _)| sent_at),
            delay: last.map_or(0, |(_, came_at)| delay_units(now, came_at)),
        });
        let cname = leg.reports.cname;
        Some(Report { ssrc: outbound.ssrc, sender, block, cname, bye })
    }

    /// Destination of RTCP. Multiplexed: that of the media. Else the source of the peer's reports, else the
    /// address in the SDP, unless media comes from another host: then the port is unknown until a report
    /// arrives.
    fn report_destination(&self, slot: usize) -> Option<(SocketId, SocketAddr)> {
        let leg = self.legs.leg(slot)?;
        let (inbound, outbound) = (self.legs.inbound(slot), self.legs.outbound(slot));
        let port = usize::from(outbound.port);
        let media = &leg.plan.media;
        if media.rtcp_mux {
            let to = outbound.destination;
            return to.is_some().then(|| (SocketId::rtp(port), to.socket_addr()));
        }
        let Reports { source, ssrc, .. } = leg.reports;
        let named = PackedAddress::from_option(media.remote_rtcp);
        let to = if is_peers(leg, inbound, source, ssrc) { source } else { named };
        let is_known = inbound.latch == Latch::Open || to.same_ip(inbound.source);
        (to.is_some() && is_known).then(|| (SocketId::rtcp(port), to.socket_addr()))
    }
}

/// Whether to read a report from this source: the party's, or before any media one that may be the party's.
fn accepts_report(leg: &Leg, inbound: &Inbound, source: SocketAddr, ssrc: Option<u32>) -> bool {
    let media = &leg.plan.media;
    let is_at = |address: Option<SocketAddr>| PackedAddress::from_option(address).is(source);
    if inbound.latch == Latch::Open {
        return is_at(media.remote_rtcp) || accepts_ip(&leg.plan, source.ip());
    }
    if media.rtcp_mux {
        return inbound.source.is(source) || is_at(media.remote_rtp);
    }
    let known = leg.reports;
    let is_other_port =
        is_peers(leg, inbound, known.source, known.ssrc) && !known.source.is(source);
    let new = PackedAddress::new(source);
    is_at(media.remote_rtcp) && inbound.source.same_ip(new)
        || !is_other_port && ssrc.is_some_and(|ssrc| is_peers(leg, inbound, new, ssrc))
}

/// Whether the sender of a report is the locked peer: at the host of the media, and at the port that the SDP
/// names or with the SSRC of the media.
fn is_peers(leg: &Leg, inbound: &Inbound, source: PackedAddress, ssrc: u32) -> bool {
    let is_named = source == PackedAddress::from_option(leg.plan.media.remote_rtcp);
    let reception = &inbound.reception;
    let is_of_media =
        leg.plan.latch != LatchMode::Sdp && reception.has_started() && reception.ssrc == ssrc;
    inbound.latch != Latch::Open && source.same_ip(inbound.source) && (is_named || is_of_media)
}

/// Time since then in 1/65536 s.
fn delay_units(now: Instant, then: Instant) -> u32 {
    let nanos = now.since(then).as_nanos();
    u32::try_from((nanos << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
