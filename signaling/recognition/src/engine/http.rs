//! An engine by `POST /v1/audio/transcriptions`: one request an utterance, when it is whole.
//!
//! OpenAI has the form of it, and faster-whisper's servers, vLLM and others speak it: a multipart form with a WAV file, an answer in
//! JSON. The request goes through the webhook client, whose guard decides which addresses may be connected to. There is no retry: a
//! caller waits for the answer.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use shared::config::RecognitionEngine;
use shared::limits;
use tokio::sync::Semaphore;
use url::Url;
use webhook::{Transfer, TransferBounds, Upload, WebhookClient};

use super::form::{Form, transcription};
use super::utterance::{Piece, Text, Utterance, in_time};

/// Such a service.
pub(crate) struct HttpService {
    client: WebhookClient,
    url: Url,
    headers: HeaderMap,
    model: String,
    places: Semaphore,
}

impl HttpService {
    pub fn new(
        settings: &RecognitionEngine,
        client: WebhookClient,
        key: Option<String>,
        places: Semaphore,
    ) -> Result<Self, String> {
        let url = Url::parse(&settings.url).map_err(|error| format!("its url: {error}"))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| "its key has characters that no header takes".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let model = if settings.model.is_empty() { MODEL } else { &settings.model };
        Ok(Self { client, url, headers, model: model.to_owned(), places })
    }

    /// Waits for the end of the utterance, then for its text.
    pub async fn recognise(&self, utterance: &mut Utterance) -> Result<Text, String> {
        let (mut samples, mut rooms) = (Vec::new(), Vec::new());
        while let Some(Piece::Audio(piece, room)) = utterance.pieces.recv().await {
            samples.extend_from_slice(&piece);
            rooms.push(room);
        }
        // The audio counts as waiting until the answer.
        let result = in_time(self.ask(&samples, utterance)).await;
        drop(rooms);
        result
    }

    async fn ask(&self, samples: &[i16], utterance: &Utterance) -> Result<Text, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let mut mark = [0; 16];
        shell::random(&mut mark);
        let boundary = format!("sidetone-{}", shell::hex(&mark));
        let form = Form {
            boundary: &boundary,
            model: &self.model,
            language: &utterance.language,
            hints: &utterance.hints,
        };
        let mut headers = self.headers.clone();
        let content_type =
            HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        headers.insert(CONTENT_TYPE, content_type.map_err(|error| error.to_string())?);
        let transfer = Transfer {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            upload: Upload::Whole(Bytes::from(form.body(samples))),
        };
        let total = std::time::Duration::from_secs(u64::from(limits::RECOGNITION_RESULT_S));
        let bounds = TransferBounds {
            stall: total,
            total,
            answer_bytes_max: limits::RECOGNITION_LINE_BYTES_MAX,
        };
        let answer = self.client.transfer(transfer, bounds).await;
        let answer = answer.map_err(|failure| failure.sentence)?;
        if answer.status != StatusCode::OK {
            let shown: String =
                String::from_utf8_lossy(&answer.body).chars().take(BODY_SHOWN).collect();
            return Err(format!("status {}: `{shown}`", answer.status.as_u16()));
        }
        transcription(&answer.body)
    }
}

/// What services of one model take as the name of it.
const MODEL: &str = "whisper-1";
/// Characters of a refusal that are shown.
const BODY_SHOWN: usize = 200;
