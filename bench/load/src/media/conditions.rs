//! How the packets of a site were measured, in sentences. Pure.

use super::Effort;
use super::site::Site;
use crate::report::Section;
use crate::scheduling::Cpus;

pub(super) fn section(site: &Site, cpus: Cpus, effort: &Effort, is_fifo: bool) -> Section {
    let title = format!("Media on {}: how it was measured", site.name());
    let mut section = Section::new(&title, &[]);
    section.note(format!(
        "Relay on CPU {}, generator on CPU {}{}; {}, 172-byte RTP packets (G.711, 20 ms), IPv4.",
        cpus.relay,
        cpus.generator,
        if cpus.are_apart() { "" } else { " (ONE CPU FOR BOTH: rates are not a core's)" },
        way(site),
    ));
    section.note(format!(
        "{} rounds of {} ms a relay after a warm-up, relays in turn, medians; ratios are \
         medians of the ratio within a round; {}.",
        effort.rounds,
        effort.burst.as_millis(),
        if is_fifo {
            "relay and generator under SCHED_FIFO"
        } else {
            "ORDINARY SCHEDULING (SCHED_FIFO was refused): neighbours disturb"
        }
    ));
    section.note(
        "ns/packet is CPU time of the relay's threads (schedstat) for a packet received once and \
         sent once; it includes the receive stack of the generator's socket, because loopback and veth run \
         it inside the send.",
    );
    section.note(
        "Machine ns is CPU time of relay, generator and the kernel's packet threads for such a packet, without the \
         generator's looks for packets in vain. \"Added\" is that less the row \"no relay\", in which parties send \
         to their own socket: the whole cost of the relay, whoever's thread the kernel charges. \"Else\" is what \
         /proc/stat counts beyond these threads, other processes included: in a quiet round nothing is left out.",
    );
    section.note(
        "No relay: on loopback parties send to their own socket, on veth to one behind the pair, so that a packet \
         crosses it once. Bare loop: a thread that receives from connected sockets and sends to them, with no code \
         in between.",
    );
    section.note(
        "Rates and delays come from rounds in which the generator had its CPU for at least 97 % \
         and no packet took longer than 20 ms, where there are such rounds.",
    );
    section.note(
        "SRTP to RTP: the caller of each call speaks AES_CM_128_HMAC_SHA1_80 with keys by SDES, so that \
         every packet is opened or sealed once. The generator seals and opens on its own CPU; where \
         \"core %\" is well below 100 in a saturated row, it was the limit: read the paced one.",
    );
    section.note(
        "Every payload byte of every packet that came back was checked. Our calls are set up by SIP \
         through the gateway (digest, webhook, <Dial>), with policy and statistics on; rtpengine's over ng. \
         \"Wake on 1\" is the media core alone in this process, its legs bridged by commands.",
    );
    section
}

const fn way(site: &Site) -> &'static str {
    match site {
        Site::Loopback => "loopback",
        Site::Veth(_) => {
            "a veth pair between two network namespaces, made for this run with the kernel's defaults, which each \
             packet crosses once each way"
        }
    }
}
