//! What opens a recording that was sealed with a public key (rest.md 7). Pure.

use std::fmt;
use std::str::FromStr;

use crate::ids::PublicKeySid;

/// What the holder of the private key needs to open a sealed recording. Its text form, the three parts with
/// a blank between them, is what files and the store keep.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EncryptionDetails {
    /// The public key.
    pub public_key: PublicKeySid,
    /// Initialization vector of AES-256-GCM: 12 bytes in Base64.
    pub iv: String,
    /// The content key of this recording, encrypted by the public key, in Base64.
    pub encrypted_cek: String,
}

impl EncryptionDetails {
    /// The members of the JSON object that the API shows. No value needs escapes.
    pub fn members(&self) -> [(&'static str, String); 4] {
        [
            ("public_key_sid", self.public_key.to_string()),
            ("type", "rsa-aes".to_owned()),
            ("encrypted_cek", self.encrypted_cek.clone()),
            ("iv", self.iv.clone()),
        ]
    }

    /// The JSON object as text, for callbacks.
    pub fn json(&self) -> String {
        let members = self.members().map(|(name, value)| format!("\"{name}\":\"{value}\""));
        format!("{{{}}}", members.join(","))
    }
}

impl fmt::Display for EncryptionDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.public_key, self.iv, self.encrypted_cek)
    }
}

/// The text is not [`EncryptionDetails`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the SID of a key, an initialization vector and an encrypted key in Base64")]
pub struct NotEncryptionDetails;

impl FromStr for EncryptionDetails {
    type Err = NotEncryptionDetails;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let public_key = parts.next().and_then(|sid| sid.parse().ok());
        // The JSON is written without escapes, so a damaged file must not bring a quote in.
        let base64 = |part: &&str| {
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            !part.is_empty() && part.bytes().all(usual)
        };
        let iv = parts.next().filter(base64);
        let encrypted_cek = parts.next().filter(base64);
        match (public_key, iv, encrypted_cek, parts.next()) {
            (Some(public_key), Some(iv), Some(encrypted_cek), None) => {
                Ok(Self { public_key, iv: iv.to_owned(), encrypted_cek: encrypted_cek.to_owned() })
            }
            _ => Err(NotEncryptionDetails),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read_back_and_a_damaged_one_is_refused() {
        let details = EncryptionDetails {
            public_key: PublicKeySid(7),
            iv: "8I2hhNIYNTrwxfHk".to_owned(),
            encrypted_cek: "OV4h+/8=".to_owned(),
        };
        assert_eq!(details.to_string().parse(), Ok(details.clone()));
        let json = "{\"public_key_sid\":\"CR00000000000000000000000000000007\",\"type\":\"rsa-aes\",\
                    \"encrypted_cek\":\"OV4h+/8=\",\"iv\":\"8I2hhNIYNTrwxfHk\"}";
        assert_eq!(details.json(), json);
        let sid = details.public_key;
        for text in
            ["", "CR7 a b", &format!("{sid} a"), &format!("{sid} a b c"), &format!("{sid} a \"")]
        {
            assert_eq!(text.parse::<EncryptionDetails>(), Err(NotEncryptionDetails), "{text:?}");
        }
    }
}
