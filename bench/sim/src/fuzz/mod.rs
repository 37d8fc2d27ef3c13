//! Fuzz targets: hostile bytes into the product's readers, by seed here, by coverage in `bench/sim/fuzz`. No clock, no socket.
//!
//! A target is a plain function over bytes that panics when a promise is broken. [`play`] feeds it the
//! committed corpus and then mutated copies of it. All randomness comes from the seed, so a seed that fails
//! once fails again: `cargo run -p sim -- --fuzz uri --seed 17 --inputs 1`.

pub mod acl_cidr;
pub mod bin_template;
pub mod config_file;
mod corpus;
pub mod digest_header;
pub mod domain_host;
pub mod dtmf_relay_body;
pub mod flow_definition;
pub mod form_body;
pub mod function_answers;
pub mod gateway_datagrams;
pub mod liquid_template;
pub mod media_packets;
pub mod multipart;
mod mutation;
pub mod name_addr;
pub mod recognition_lines;
pub mod records;
pub mod refer_to;
pub mod relay_json;
pub mod rfc4733;
pub mod rtcp_compound;
pub mod rtp;
pub mod sdp;
pub mod sip_framing_twice;
pub mod sip_message;
pub mod sip_noun_uri;
pub mod sip_stream_framing;
pub mod sipfrag;
pub mod srtp_unprotect;
pub mod twiml;
pub mod uri;
pub mod via;
pub mod websocket_media_json;

use std::panic::catch_unwind;

use crate::rng::Rng;

/// One reader of bytes from unauthenticated sources.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the corpus folder, and of the target of `cargo fuzz run`.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub check: fn(&[u8]),
    /// Words of the format, inserted at random places.
    pub words: &'static [&'static str],
    /// Number of mutated inputs that `cargo test` plays.
    pub inputs: u64,
}

/// Every target, in the order of their names.
pub const TARGETS: &[Target] = &[
    target("acl_cidr", acl_cidr::check, acl_cidr::WORDS),
    target("bin_template", bin_template::check, bin_template::WORDS),
    target("config_file", config_file::check, config_file::WORDS),
    target("digest_header", digest_header::check, digest_header::WORDS),
    target("domain_host", domain_host::check, domain_host::WORDS),
    target("dtmf_relay_body", dtmf_relay_body::check, dtmf_relay_body::WORDS),
    target("flow_definition", flow_definition::check, flow_definition::WORDS),
    target("form_body", form_body::check, form_body::WORDS),
    target("function_answers", function_answers::check, function_answers::WORDS),
    slow("gateway_datagrams", gateway_datagrams::check, sip_message::WORDS),
    target("liquid_template", liquid_template::check, liquid_template::WORDS),
    target("media_packets", media_packets::check, rtp::WORDS),
    target("multipart", multipart::check, multipart::WORDS),
    target("name_addr", name_addr::check, name_addr::WORDS),
    slow("rfc4733", rfc4733::check, rfc4733::WORDS),
    target("rtcp_compound", rtcp_compound::check, rtcp_compound::WORDS),
    target("recognition_lines", recognition_lines::check, recognition_lines::WORDS),
    target("refer_to", refer_to::check, refer_to::WORDS),
    target("relay_json", relay_json::check, relay_json::WORDS),
    target("rtp", rtp::check, rtp::WORDS),
    target("sdp", sdp::check, sdp::WORDS),
    target("sip_framing_twice", sip_framing_twice::check, sip_stream_framing::WORDS),
    target("sip_message", sip_message::check, sip_message::WORDS),
    target("sip_noun_uri", sip_noun_uri::check, sip_noun_uri::WORDS),
    target("sip_stream_framing", sip_stream_framing::check, sip_stream_framing::WORDS),
    target("sipfrag", sipfrag::check, sipfrag::WORDS),
    target("srtp_unprotect", srtp_unprotect::check, rtp::WORDS),
    target("twiml", twiml::check, twiml::WORDS),
    target("uri", uri::check, uri::WORDS),
    target("via", via::check, via::WORDS),
    target("websocket_media_json", websocket_media_json::check, websocket_media_json::WORDS),
];

const fn target(name: &'static str, check: fn(&[u8]), words: &'static [&'static str]) -> Target {
    Target { name, check, words, inputs: 2_000 }
}

/// For targets that build a whole gateway for each input, or play a minute of media.
const fn slow(name: &'static str, check: fn(&[u8]), words: &'static [&'static str]) -> Target {
    Target { name, check, words, inputs: 100 }
}

/// An input that broke a promise. The panic itself was printed when it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the target.
    pub target: &'static str,
    /// A corpus file, or the seed that makes the input again.
    pub input: String,
    /// The input, non-ASCII escaped.
    pub bytes: String,
}

/// Plays the corpus unchanged and then `inputs` mutated inputs, of seeds `seed..`.
///
/// # Errors
/// The first input that broke a promise.
pub fn play(target: &Target, seed: u64, inputs: u64) -> Result<(), Failure> {
    let corpus = corpus::read(target.name);
    for (name, bytes) in &corpus {
        attempt(target, bytes, || format!("corpus file {name}"))?;
    }
    let samples: Vec<Vec<u8>> = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    for seed in seed..seed.saturating_add(inputs) {
        let bytes = mutation::changed(&mut Rng::new(seed), &samples, target.words);
        attempt(target, &bytes, || format!("--fuzz {} --seed {seed} --inputs 1", target.name))?;
    }
    Ok(())
}

fn attempt(target: &Target, bytes: &[u8], input: impl Fn() -> String) -> Result<(), Failure> {
    catch_unwind(|| (target.check)(bytes)).map_err(|_| Failure {
        target: target.name,
        input: input(),
        bytes: bytes.escape_ascii().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Plays the corpus and several thousand mutated inputs of each; `cargo run -p sim -- --fuzz` plays more.
    #[test]
    fn no_target_breaks_a_promise() {
        let failures: Vec<Failure> =
            TARGETS.iter().filter_map(|target| play(target, 0, target.inputs).err()).collect();
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn every_target_has_a_corpus_and_a_coverage_guided_twin() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let twins: BTreeSet<String> = std::fs::read_dir(home.join("fuzz/fuzz_targets"))
            .expect("the folder of fuzz targets")
            .map(|entry| entry.expect("readable").path())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        assert_eq!(twins, names);
        for target in TARGETS {
            assert!(corpus::read(target.name).len() >= 3, "{} needs a corpus", target.name);
        }
    }

    #[test]
    fn a_seed_makes_the_same_input_again() {
        let samples = vec![b"sip:alice@example.com".to_vec(), b"tel:+15550100".to_vec()];
        let input = |seed| mutation::changed(&mut Rng::new(seed), &samples, uri::WORDS);
        assert!((0..100).all(|seed| input(seed) == input(seed)));
        let different: BTreeSet<Vec<u8>> = (0..100).map(input).collect();
        assert!(different.len() > 80, "only {} different inputs", different.len());
    }

    #[test]
    fn a_broken_promise_is_reported_with_its_seed() {
        fn check(bytes: &[u8]) {
            assert!(bytes.len() < 10, "too long");
        }
        let target = Target { name: "uri", check, words: &[], inputs: 0 };
        let failure = play(&target, 0, 0).expect_err("the corpus has longer inputs");
        assert!(failure.input.starts_with("corpus file "), "{failure:?}");
    }
}
