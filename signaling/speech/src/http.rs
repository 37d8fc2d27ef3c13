//! The engine `http`: a service of the operator that answers a text with audio. Shell, on tokio.
//!
//! Requests go through the webhook client, so its guard decides which addresses may be connected to. The form
//! is that of Piper's own server or of `POST /v1/audio/speech`. The answer is one file: a text comes in
//! sentences, so nobody waits for more than one.

use std::time::Duration;

use audio::Decoder;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;
use shared::Prompt;
use shared::config::SpeechForm;
use tokio::sync::Semaphore;
use url::Url;
use webhook::{Transfer, TransferAnswer, TransferBounds, Upload, WebhookClient};

use crate::error::SpeechError;
use crate::filling::{Bounds, Filling, Hearer};

/// Speaks by a service.
pub(crate) struct HttpEngine {
    client: WebhookClient,
    url: Url,
    form: SpeechForm,
    places: Semaphore,
    first_audio: Duration,
}

impl HttpEngine {
    /// # Errors
    /// The URL is not one.
    pub fn new(
        client: WebhookClient,
        url: &str,
        form: SpeechForm,
        requests: usize,
        first_audio: Duration,
    ) -> Result<Self, SpeechError> {
        let url = Url::parse(url).map_err(|error| failed(&format!("speech.http_url: {error}")))?;
        Ok(Self { client, url, form, places: Semaphore::new(requests), first_audio })
    }

    /// Speaks a text. The caller bounds the time.
    pub async fn speak(
        &self,
        text: &str,
        voice: &str,
        total: Duration,
        bounds: Bounds,
        hearer: Hearer<'_>,
    ) -> Result<Prompt, SpeechError> {
        let Ok(_place) = self.places.acquire().await else { return Err(failed("it ends")) };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("audio/wav, audio/mpeg, audio/*"));
        let transfer = Transfer {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            upload: Upload::Whole(body(self.form, text, voice).into()),
        };
        let answer_bytes_max = usize::try_from(bounds.bytes_max).unwrap_or(usize::MAX);
        let transfer_bounds = TransferBounds { stall: self.first_audio, total, answer_bytes_max };
        let answer = self.client.transfer(transfer, transfer_bounds).await;
        let answer = answer.map_err(|failure| failed(&failure.sentence))?;
        if answer.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&answer.body);
            let body: String = body.chars().take(BODY_SHOWN).collect();
            return Err(failed(&format!("status {}: `{body}`", answer.status.as_u16())));
        }
        let memory = self.client.intake().memory();
        let mut filling = match known_type(&answer) {
            None => Filling::new(memory, bounds, hearer),
            Some(media_type) => {
                let decoder = Decoder::new(media_type, Some(answer.body.len() as u64));
                let decoder = decoder.map_err(|error| failed(&error.to_string()))?;
                Filling::of(decoder, memory, bounds, hearer)
            }
        };
        filling.push(&answer.body).await?;
        match filling.bytes() {
            0 => Err(failed("its answer is empty")),
            _ => filling.finish(),
        }
    }
}

/// The type of an answer that is no WAV and no bare samples; those are told apart by their first bytes, whatever
/// they are called.
fn known_type(answer: &TransferAnswer) -> Option<&'static str> {
    let value = answer.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match value.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "audio/mpeg" | "audio/mp3" => Some("audio/mpeg"),
        "audio/basic" | "audio/ulaw" | "audio/x-mulaw" => Some("audio/basic"),
        _ => None,
    }
}

fn body(form: SpeechForm, text: &str, voice: &str) -> Vec<u8> {
    let mut body = match form {
        SpeechForm::Piper => json!({ "text": text }),
        SpeechForm::OpenAi => {
            json!({ "model": "tts-1", "input": text, "response_format": "wav" })
        }
    };
    // An empty name is none: the service has a default.
    if !voice.is_empty() {
        body["voice"] = voice.into();
    }
    body.to_string().into_bytes()
}

fn failed(sentence: &str) -> SpeechError {
    SpeechError::Engine("http", sentence.to_owned())
}

/// Characters of a refusal that are shown.
const BODY_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_form_of_the_service_and_a_voice_only_where_one_is_named() {
        let text = |form, voice| String::from_utf8(body(form, "a \"b\"", voice)).unwrap();
        assert_eq!(text(SpeechForm::Piper, ""), r#"{"text":"a \"b\""}"#);
        assert_eq!(text(SpeechForm::Piper, "joe"), r#"{"text":"a \"b\"","voice":"joe"}"#);
        let openai = text(SpeechForm::OpenAi, "alloy");
        let openai: serde_json::Value = serde_json::from_str(&openai).unwrap();
        assert_eq!((&openai["input"], &openai["voice"]), (&json!("a \"b\""), &json!("alloy")));
    }
}
