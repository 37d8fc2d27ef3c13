//! The body of a request: whole in memory, or in pieces that another task supplies while it is sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of a request.
pub(crate) enum RequestBody {
    /// In memory; `None` once it is taken.
    Whole(Option<Bytes>),
    /// In pieces.
    Pieces {
        /// An error ends the request; the connection is closed, so that the peer sees a body that is too
        /// short and never takes it for a whole one.
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        /// Bytes that are still to come: the `Content-Length` at first.
        left: u64,
        /// Bytes handed to the connection so far, for the watch over progress.
        taken: Arc<AtomicU64>,
    },
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces { left: 0, .. } => Poll::Ready(None),
            Self::Pieces { pieces, left, taken } => match pieces.poll_recv(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) if bytes.len() as u64 <= *left => {
                    *left -= bytes.len() as u64;
                    taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(Some(Ok(_))) => {
                    Poll::Ready(Some(Err(io::Error::other("more bytes than were announced"))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Pieces { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Pieces { left, .. } => *left,
        })
    }
}
