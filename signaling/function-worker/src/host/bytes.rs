//! Texts, digests and compression of bytes.

use std::io::{Read as _, Write as _};

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use md5::{Digest as _, Md5};
use rquickjs::{Ctx, Function, Object, TypedArray};
use shared::limits::FUNCTION_HEAP_BYTES_MAX;

/// Random bytes of one call.
const RANDOM_BYTES_MAX: usize = 65_536;
/// Bytes that unpacking may give: a small bomb must not take the heap.
const UNPACKED_BYTES_MAX: u64 = FUNCTION_HEAP_BYTES_MAX as u64 / 8;

type Bytes<'js> = TypedArray<'js, u8>;

/// A copy of the bytes of an array; none where a script has detached its buffer.
#[expect(unsafe_code, reason = "the binding of the engine has no safe way to read an array")]
pub(super) fn of(array: &Bytes<'_>) -> Vec<u8> {
    // SAFETY: the slice must not be held while a script runs, which could resize or detach the buffer. It is copied
    // before this function returns, and nothing in between runs one: the engine has one thread, this one.
    let bytes = unsafe { array.as_bytes() };
    bytes.unwrap_or_default().to_vec()
}

pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> rquickjs::Result<()> {
    let set = |name: &str, function: rquickjs::Result<Function<'js>>| host.set(name, function?);
    set(
        "utf8",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String| {
            TypedArray::new(ctx, text.into_bytes())
        }),
    )?;
    set(
        "text8",
        Function::new(ctx.clone(), |bytes: Bytes<'js>, fatal: bool| {
            match String::from_utf8(of(&bytes)) {
                Ok(text) => Some(text),
                Err(_) if fatal => None,
                Err(error) => Some(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            }
        }),
    )?;
    set(
        "base64",
        Function::new(ctx.clone(), |bytes: Bytes<'js>, of_url: bool| match of_url {
            false => general_purpose::STANDARD.encode(of(&bytes)),
            true => general_purpose::URL_SAFE_NO_PAD.encode(of(&bytes)),
        }),
    )?;
    set(
        "unbase64",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: String| {
            TypedArray::new(ctx, unbase64(&text))
        }),
    )?;
    set(
        "hash",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, name: String, data: Bytes<'js>| {
            TypedArray::new(ctx, hash(&name, &of(&data)))
        }),
    )?;
    set(
        "hmac",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, name: String, key: Bytes<'js>, data: Bytes<'js>| {
                TypedArray::new(ctx, keyed(&name, &of(&key), &of(&data)))
            },
        ),
    )?;
    set(
        "random",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, size: usize| {
            let mut bytes = vec![0; size.min(RANDOM_BYTES_MAX)];
            rand::fill(&mut bytes)
                .map_err(|_| rquickjs::Exception::throw_message(&ctx, "no random bytes"))?;
            TypedArray::new(ctx, bytes)
        }),
    )?;
    set(
        "zlib",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, kind: String, data: Bytes<'js>| {
            packed(&kind, &of(&data)).map(|made| TypedArray::new(ctx, made)).transpose()
        }),
    )
}

/// As Node reads it: both alphabets, with or without padding, up to the first character that is neither.
fn unbase64(text: &str) -> Vec<u8> {
    let digits = text.chars().filter(|c| !c.is_ascii_whitespace());
    let digits = digits.take_while(|c| *c != '=').map(|c| match c {
        '-' => '+',
        '_' => '/',
        other => other,
    });
    let mut digits: String =
        digits.filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT.decode(&digits).unwrap_or_default()
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn hash(name: &str, data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "md5" => return Md5::digest(data).to_vec(),
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

fn keyed(name: &str, key: &[u8], data: &[u8]) -> Vec<u8> {
    let algorithm = match name {
        "md5" => return keyed_md5(key, data),
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => hmac::HMAC_SHA224,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec()
}

/// RFC 2104 over MD5, which the other library has no HMAC of.
fn keyed_md5(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    let key = if key.len() > block.len() { hash("md5", key) } else { key.to_vec() };
    block[..key.len()].copy_from_slice(&key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Md5::new().chain_update(padded(0x36)).chain_update(data).finalize();
    Md5::new().chain_update(padded(0x5C)).chain_update(inner).finalize().to_vec()
}

/// Packs or unpacks; `None`: the input is not of this kind, or unpacks to too much.
fn packed(kind: &str, data: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    let level = Compression::default();
    match kind {
        "gzip" => GzEncoder::new(&mut made, level).write_all(data).ok()?,
        "deflate" => ZlibEncoder::new(&mut made, level).write_all(data).ok()?,
        "deflateRaw" => DeflateEncoder::new(&mut made, level).write_all(data).ok()?,
        _ => {
            let input: Box<dyn std::io::Read> = match kind {
                "gunzip" => Box::new(MultiGzDecoder::new(data)),
                "inflate" => Box::new(ZlibDecoder::new(data)),
                _ => Box::new(DeflateDecoder::new(data)),
            };
            input.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut made).ok()?;
            if made.len() as u64 > UNPACKED_BYTES_MAX {
                return None;
            }
        }
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 1321 A.5, FIPS 180-4, RFC 2202, RFC 4231.
    #[test]
    fn digests_are_those_of_their_standards() {
        assert_eq!(hex(&hash("md5", b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex(&hash("sha1", b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let question = b"what do ya want for nothing?";
        assert_eq!(hex(&keyed("md5", b"Jefe", question)), "750c783e6ab0b503eaa86e310a5db738");
        assert_eq!(
            hex(&keyed("sha1", b"Jefe", question)),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex(&keyed(
                "md5",
                &[0xAA; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
        );
    }

    #[test]
    fn base64_is_read_as_node_reads_it() {
        for (text, bytes) in [
            ("aGk=", &b"hi"[..]),
            ("aGk", b"hi"),
            ("-_8", &[0xFB, 0xFF]),
            ("a G\nk=x", b"hi"),
            ("a", b""),
        ] {
            assert_eq!(unbase64(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_packed_unpacks_and_a_bomb_does_not() {
        for (pack, unpack) in
            [("gzip", "gunzip"), ("deflate", "inflate"), ("deflateRaw", "inflateRaw")]
        {
            let made = packed(pack, b"a text of some length").expect("packed");
            assert_eq!(
                packed(unpack, &made).as_deref(),
                Some(&b"a text of some length"[..]),
                "{pack}"
            );
        }
        let zeros = vec![0; usize::try_from(UNPACKED_BYTES_MAX).expect("fits") + 1];
        assert_eq!(packed("gunzip", &packed("gzip", &zeros).expect("packed")), None);
        assert_eq!(packed("gunzip", b"no gzip"), None);
    }
}
