//! Content whose length is not known beforehand, kept in an unnamed temporary file.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use crate::trouble::Trouble;

/// Content in a temporary file that the operating system removes with its handle.
#[derive(Debug)]
pub(crate) struct Spool {
    file: tokio::fs::File,
    /// Length in bytes.
    pub(crate) length: u64,
}

impl Spool {
    /// Reads a stream to its end into a file.
    pub(crate) async fn fill(content: impl Stream<Item = Result<Bytes, std::io::Error>>) -> Result<Self, Trouble> {
        let file = tempfile::tempfile().map_err(no_room)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut length = 0;
        let mut content = std::pin::pin!(content);
        while let Some(chunk) = content.next().await {
            let chunk = chunk.map_err(|source| Trouble::Wrong { code: "incomplete", error: source.to_string() })?;
            length += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(no_room)?;
        }
        file.flush().await.map_err(no_room)?;
        file.rewind().await.map_err(no_room)?;
        Ok(Spool { file, length })
    }

    /// The content from its beginning.
    pub(crate) fn read(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        ReaderStream::with_capacity(self.file, 256 * 1024)
    }
}

fn no_room(source: std::io::Error) -> Trouble {
    Trouble::Wrong { code: "temporary_file", error: format!("the temporary folder cannot take the content: {source}") }
}
