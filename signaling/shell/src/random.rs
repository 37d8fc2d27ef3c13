//! Random bytes from the system, and bytes as text. Shell.

/// Fills `bytes` with cryptographically strong random numbers.
///
/// # Panics
/// When the system gives no random numbers: keys and nonces would be predictable.
pub fn random(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("the system gives random numbers");
}

/// Lower-case hexadecimal, two digits per byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
