//! A connection that ends when its peer stops reading. Shell, on tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Fails a write that makes no progress for `at_most`. Otherwise a client that does not read would keep
/// its place, and its answer in memory, for ever.
#[derive(Debug)]
pub(crate) struct Patience<S> {
    stream: S,
    at_most: Duration,
    /// The timer of a waiting write.
    stalled: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, at_most: Duration) -> Self {
        Self { stream, at_most, stalled: Box::pin(sleep(at_most)), is_waiting: false }
    }

    /// The connection, for who needs no patience with it any more.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Passes on the result of a write. Any result except `Pending` stops the timer.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.is_waiting = false;
            return outcome;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.stalled.as_mut().reset(Instant::now() + self.at_most);
        }
        ready!(self.stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const AT_MOST: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_peer_that_takes_nothing_ends_the_write_and_one_that_takes_a_little_does_not() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let mut ours = Patience::new(ours, AT_MOST);
        let slow = tokio::spawn(async move {
            let mut byte = [0; 1];
            for _ in 0..48 {
                sleep(AT_MOST / 10).await;
                theirs.read_exact(&mut byte).await.expect("there is more");
            }
            theirs
        });
        ours.write_all(&[b'x'; 64]).await.expect("taken bit by bit");
        let theirs = slow.await.expect("done");
        let error = ours.write_all(&[b'x'; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
