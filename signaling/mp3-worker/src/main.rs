//! `sidetone-mp3 CHANNELS`: 16-bit little-endian samples of 8,000 Hz from standard input, MP3 on standard output.
//!
//! A program of its own for two reasons. Its encoder is under the LGPL, and the gateway links nothing of
//! it; and an error in the encoder ends this process alone. It limits itself before it reads a byte.

#![forbid(unsafe_code)]

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use shine_rs::{Mp3Encoder, Mp3EncoderConfig, StereoMode};

/// Processor seconds: the longest recording takes 40.
const CPU_S: u64 = 300;
/// Bytes of address space. The encoder holds one piece of the input.
const ADDRESS_SPACE_BYTES: u64 = 1 << 30;
/// Bytes read at once: four seconds of one channel.
const PIECE_BYTES: usize = 64 * 1024;
/// Bit rate of one channel. Half of it is no speech any more.
const KBIT_A_S: u32 = 32;

fn main() -> ExitCode {
    let channels = match std::env::args().nth(1).as_deref() {
        Some("1") => 1,
        Some("2") => 2,
        _ => {
            eprintln!("usage: sidetone-mp3 1|2 <samples >mp3");
            return ExitCode::from(2);
        }
    };
    let encoded = confine()
        .and_then(|()| encode(channels, &mut io::stdin().lock(), &mut io::stdout().lock()));
    match encoded {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sidetone-mp3: {error}");
            ExitCode::FAILURE
        }
    }
}

fn confine() -> io::Result<()> {
    let limits = [(Resource::Cpu, CPU_S), (Resource::As, ADDRESS_SPACE_BYTES), (Resource::Core, 0)];
    for (resource, most) in limits {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn encode(channels: u8, samples: &mut impl Read, mp3: &mut impl Write) -> io::Result<()> {
    let mode = if channels == 2 { StereoMode::Stereo } else { StereoMode::Mono };
    let config = Mp3EncoderConfig::new()
        .sample_rate(8_000)
        .bitrate(KBIT_A_S * u32::from(channels))
        .channels(channels)
        .stereo_mode(mode);
    let mut encoder = Mp3Encoder::new(config).map_err(io::Error::other)?;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    loop {
        piece.clear();
        samples.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        let (pairs, _) = piece.as_chunks::<2>();
        if pairs.is_empty() {
            break;
        }
        let linear: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        for frame in encoder.encode_interleaved(&linear).map_err(io::Error::other)? {
            mp3.write_all(&frame)?;
        }
    }
    mp3.write_all(&encoder.finish().map_err(io::Error::other)?)?;
    mp3.flush()
}
